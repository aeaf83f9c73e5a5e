"""What the black-box suites share: brokers, receivers, applications in their own processes, and the truth to hold spans against."""
