"""What the black-box suites share: brokers, receivers, applications in processes of their own, and the truth."""
