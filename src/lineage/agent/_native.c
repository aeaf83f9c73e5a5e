/*
 * The plain case of three steps that every message goes through, for CPython; `native.py` says when it is used.
 *
 *   encoder(...)  -> a function that writes an ended span as OTLP
 *   receiver(...) -> a function that makes the ProcessSpan of a consumed message
 *   sender(...)   -> a function that makes the SendSpan of a send, with its headers
 *
 * Python stays in charge: spans are Python objects with __slots__, and whatever is not plain (an unusual type, a header in
 * another form than we write it, a rare part) is left to the Python code beside each call. So none of these raises anything of
 * its own: they answer None, or for encoder() what the Python function gives.
 *
 * What they know of a class are the offsets of its slots, as its member descriptors have them. It stands in the tuple that is the
 * `self` of a function: immutable, and known to the garbage collector. There is no other state, and no type of our own.
 *
 * References: arguments belong to the caller. What is found in a list or slot is borrowed only as long as nothing is allocated
 * that the garbage collector tracks, since a collection may run anybody's code. So a span is made first, and then filled.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#if defined(PYPY_VERSION) || defined(Py_GIL_DISABLED)
#error "only for CPython with its GIL: slots are read and written without a lock"
#endif

/* Slots of a LightSpan, a Template, a ProcessSpan and a SendSpan, in the order of their names below. */
enum {
    TEMPLATE, TRACE_ID, SPAN_ID, PARENT_ID, SAMPLED, STATE, START_TIME, END_TIME,
    PARTITION, OFFSET, KEY, SIZE, TIMESTAMP, FINISH, RARE, LIGHT_SLOTS
};
enum { ENTRY = LIGHT_SLOTS, HOPS, PROPAGATED, EVENT_SLOTS };
enum { BAGGAGE = EVENT_SLOTS, BASE, CLOSED, HOME, MARKER, PROCESS_SLOTS };
enum { CALLBACK = EVENT_SLOTS, CLIENT, HEADERS, OUTSIDE, SENDS, TOPIC, SEND_SLOTS };

#define COMMON_NAMES \
    "template", "trace_id", "span_id", "parent_id", "sampled", "state", "start_time", "end_time", \
    "partition", "offset", "key", "size", "timestamp", "finish", "rare"

static const char *const light_names[] = {COMMON_NAMES};
static const char *const process_names[] = {
    COMMON_NAMES, "entry", "hops", "propagated", "baggage", "base", "closed", "home", "marker"};
static const char *const send_names[] = {
    COMMON_NAMES, "entry", "hops", "propagated", "callback", "client", "headers", "outside", "sends", "topic"};
static const char *const template_names[] = {"encoded"};
enum { TOPIC_TEMPLATE, PLACE, CONSTANT, TOPIC_SLOTS };
static const char *const topic_names[] = {"template", "place", "constant"};

typedef const Py_ssize_t *Offsets;

/* Longer texts are left to Python: so all that is written here fits into BUFFER. */
#define LONGEST 1024
#define LONGEST_NAME 64
#define BUFFER 4096

#define TRACE_SIZE 16
#define ID_SIZE 8
#define TRACEPARENT_SIZE 55
/* Two ids in hexadecimal, with the dash between them. */
#define IDS_SIZE 49

/* ---- Slots ---- */

static inline PyObject **slot(PyObject *object, Offsets at, int name)
{
    return (PyObject **)((char *)object + at[name]);
}

/* Fills a slot of a span that nobody else knows yet; takes over the reference. False for NULL. */
static inline int fill(PyObject *span, Offsets at, int name, PyObject *value)
{
    *slot(span, at, name) = value;
    return value != NULL;
}

static inline PyObject *own(PyObject *object)
{
    Py_XINCREF(object);
    return object;
}

/* The offsets of a class's slots as bytes, or NULL with an exception if it is not laid out as we think. */
static PyObject *offsets(PyObject *class, const char *const *names, int count)
{
    if (!PyType_Check(class) || ((PyTypeObject *)class)->tp_new != PyBaseObject_Type.tp_new) {
        PyErr_SetString(PyExc_TypeError, "a class without a __new__ of its own is wanted");
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)class;
    PyObject *result = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(Py_ssize_t));
    if (result == NULL)
        return NULL;
    Py_ssize_t *at = (Py_ssize_t *)PyBytes_AS_STRING(result);
    for (int i = 0; i < count; i++) {
        PyObject *found = PyObject_GetAttrString(class, names[i]);
        if (found == NULL) {
            Py_DECREF(result);
            return NULL;
        }
        int usable = 0;
        if (Py_IS_TYPE(found, &PyMemberDescr_Type) && PyType_IsSubtype(type, PyDescr_TYPE(found))) {
            PyMemberDef *member = ((PyMemberDescrObject *)found)->d_member;
            at[i] = member->offset;
            usable = member->type == T_OBJECT_EX && member->flags == 0 && member->offset >= (Py_ssize_t)sizeof(PyObject) &&
                     member->offset + (Py_ssize_t)sizeof(PyObject *) <= type->tp_basicsize;
        }
        Py_DECREF(found);
        if (!usable) {
            PyErr_Format(PyExc_TypeError, "%s.%s is not a slot", type->tp_name, names[i]);
            Py_DECREF(result);
            return NULL;
        }
    }
    return result;
}

/* A new instance without __init__, as object.__new__ makes it. */
static PyObject *instance(PyObject *class)
{
    PyObject *nothing = PyTuple_New(0);
    if (nothing == NULL)
        return NULL;
    PyObject *span = PyBaseObject_Type.tp_new((PyTypeObject *)class, nothing, NULL);
    Py_DECREF(nothing);
    return span;
}

static int is_instance(PyObject *object, PyObject *class)
{
    return PyObject_TypeCheck(object, (PyTypeObject *)class);
}

/* What `offsets` found out, kept at this place of a function's `self`. */
static Offsets offsets_in(PyObject *self, Py_ssize_t place)
{
    return (Offsets)PyBytes_AS_STRING(PyTuple_GET_ITEM(self, place));
}

/* ---- Values: each is exactly of its type and in its range, or not plain ---- */

static int is_bytes(PyObject *object, Py_ssize_t longest)
{
    return object != NULL && PyBytes_CheckExact(object) && PyBytes_GET_SIZE(object) <= longest;
}

static int is_id(PyObject *object, Py_ssize_t size)
{
    return object != NULL && PyBytes_CheckExact(object) && PyBytes_GET_SIZE(object) == size;
}

/* A whole number that is not negative and fits into 63 bits. */
static int whole(PyObject *object, unsigned long long *number)
{
    if (object == NULL || !PyLong_CheckExact(object))
        return 0;
    int overflow = 0;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow || value < 0)
        return 0;
    *number = (unsigned long long)value;
    return 1;
}

/* Text whose characters can be read as they are; in Python 3.10 and 3.11 there are strings that have none yet. */
static int is_ascii(PyObject *object)
{
    return object != NULL && PyUnicode_CheckExact(object) && PyUnicode_IS_COMPACT_ASCII(object);
}

/* ---- Text ---- */

static const char digits[] = "0123456789abcdef";

static unsigned char *put(unsigned char *to, const void *from, Py_ssize_t size)
{
    memcpy(to, from, (size_t)size);
    return to + size;
}

static unsigned char *put_bytes(unsigned char *to, PyObject *bytes)
{
    return put(to, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
}

static unsigned char *put_number(unsigned char *to, unsigned long long number, unsigned base)
{
    unsigned char text[24], *start = text + sizeof(text);
    do {
        *--start = (unsigned char)digits[number % base];
        number /= base;
    } while (number);
    return put(to, start, text + sizeof(text) - start);
}

static unsigned char *put_hex(unsigned char *to, PyObject *id)
{
    const unsigned char *from = (const unsigned char *)PyBytes_AS_STRING(id);
    for (Py_ssize_t i = 0; i < PyBytes_GET_SIZE(id); i++) {
        *to++ = (unsigned char)digits[from[i] >> 4];
        *to++ = (unsigned char)digits[from[i] & 15];
    }
    return to;
}

/* What a character may stand in: a number, with its value as a lower case hexadecimal digit, or a name without escapes. */
enum { DIGIT = 0x10, NAME = 0x20 };
#define NUMBER(c, value) [c] = DIGIT | NAME | value
#define LETTERS(a, b, c, d, e) [a] = NAME, [b] = NAME, [c] = NAME, [d] = NAME, [e] = NAME
static const unsigned char characters[256] = {
    NUMBER('0', 0), NUMBER('1', 1), NUMBER('2', 2), NUMBER('3', 3), NUMBER('4', 4), NUMBER('5', 5),
    NUMBER('6', 6), NUMBER('7', 7), NUMBER('8', 8), NUMBER('9', 9), NUMBER('a', 10), NUMBER('b', 11),
    NUMBER('c', 12), NUMBER('d', 13), NUMBER('e', 14), NUMBER('f', 15),
    LETTERS('g', 'h', 'i', 'j', 'k'), LETTERS('l', 'm', 'n', 'o', 'p'), LETTERS('q', 'r', 's', 't', 'u'),
    LETTERS('v', 'w', 'x', 'y', 'z'), LETTERS('A', 'B', 'C', 'D', 'E'), LETTERS('F', 'G', 'H', 'I', 'J'),
    LETTERS('K', 'L', 'M', 'N', 'O'), LETTERS('P', 'Q', 'R', 'S', 'T'), LETTERS('U', 'V', 'W', 'X', 'Y'),
    ['Z'] = NAME, ['.'] = NAME, ['_'] = NAME, ['-'] = NAME,
};

/* Reads an id of so many bytes; false if it is none, or all zeros. */
static int read_id(const char *text, unsigned char *id, int size)
{
    int any = 0, all = DIGIT;
    for (int i = 0; i < size; i++) {
        int high = characters[(unsigned char)text[2 * i]], low = characters[(unsigned char)text[2 * i + 1]];
        all &= high & low;
        id[i] = (unsigned char)((high & 15) << 4 | (low & 15));
        any |= id[i];
    }
    return all && any;
}

struct parent {
    unsigned char trace_id[TRACE_SIZE], span_id[ID_SIZE];
    int sampled;
};

/* headers.parse_traceparent: version 00 as it is nearly always written. */
static int read_traceparent(PyObject *value, struct parent *parent)
{
    if (!is_id(value, TRACEPARENT_SIZE))
        return 0;
    const char *text = PyBytes_AS_STRING(value);
    parent->sampled = text[54] == '1';
    return !memcmp(text, "00-", 3) && text[35] == '-' && !memcmp(text + 52, "-0", 2) &&
           (text[54] == '0' || text[54] == '1') && read_id(text + 3, parent->trace_id, TRACE_SIZE) &&
           read_id(text + 36, parent->span_id, ID_SIZE);
}

struct progress {
    unsigned long long hops, time;
    const char *entry; /* the rest of the header, which is handed on */
    Py_ssize_t entry_size;
};

/* A piece of a header that is read from left to right; `at` is NULL once something was not as expected. */
struct reader {
    const char *at, *end;
};

static int reads(struct reader *from, const char *word)
{
    size_t size = strlen(word);
    if (from->at == NULL || (size_t)(from->end - from->at) < size || memcmp(from->at, word, size))
        return 0;
    from->at += size;
    return 1;
}

static void expect(struct reader *from, const char *word)
{
    if (!reads(from, word))
        from->at = NULL;
}

/* A name that needed no escapes. */
static void expect_name(struct reader *from)
{
    const char *start = from->at;
    if (start == NULL)
        return;
    while (from->at < from->end && characters[(unsigned char)*from->at] & NAME)
        from->at++;
    if (from->at == start)
        from->at = NULL;
}

/* A number as we write it: without leading zeros, and not too long. */
static unsigned long long expect_number(struct reader *from, int base, int longest)
{
    const char *start = from->at;
    unsigned long long number = 0;
    if (start == NULL)
        return 0;
    for (; from->at < from->end && from->at - start < longest; from->at++) {
        int found = characters[(unsigned char)*from->at];
        if (!(found & DIGIT) || (found & 15) >= base)
            break;
        number = number * (unsigned)base + (unsigned)(found & 15);
    }
    if (from->at == start || (*start == '0' && from->at - start > 1))
        from->at = NULL;
    return number;
}

/* headers.parse_progress, for a header exactly as headers.format_lineage writes it. */
static int read_lineage(PyObject *value, struct progress *said)
{
    unsigned char id[TRACE_SIZE];
    if (!is_bytes(value, LONGEST))
        return 0;
    struct reader from = {PyBytes_AS_STRING(value), PyBytes_AS_STRING(value) + PyBytes_GET_SIZE(value)};
    if (!reads(&from, "lineage=1;s=") || from.end - from.at < IDS_SIZE || !read_id(from.at, id, TRACE_SIZE) ||
        from.at[32] != '-' || !read_id(from.at + 33, id, ID_SIZE))
        return 0;
    from.at += IDS_SIZE;
    expect(&from, ";t=");
    expect_name(&from);
    if (reads(&from, ";c="))
        expect_name(&from);
    expect(&from, ";p=");
    expect_name(&from);
    expect(&from, ";n=");
    expect_number(&from, 10, 18);
    expect(&from, ";h=");
    said->hops = expect_number(&from, 10, 9);
    said->entry = from.at;
    expect(&from, ";e=");
    said->time = expect_number(&from, 16, 15);
    expect(&from, ";et=");
    expect_name(&from);
    if (reads(&from, ";ec="))
        expect_name(&from);
    said->entry_size = from.end - said->entry;
    return from.at != NULL && from.at == from.end;
}

/* headers.format_entry. */
static PyObject *new_entry(PyObject *place, unsigned long long time_ms)
{
    unsigned char text[LONGEST + 32], *to = put(text, ";e=", 3);
    to = put_bytes(put_number(to, time_ms, 16), place);
    return PyBytes_FromStringAndSize((const char *)text, to - text);
}

/* ---- Ids ---- */

/* Tracing.plain: (finish, ready ids, bound). */
enum { FINISHES, IDS, BOUND };

static int is_tracing(PyObject *tracing)
{
    if (!PyTuple_CheckExact(tracing) || PyTuple_GET_SIZE(tracing) != 3 || !PyList_CheckExact(PyTuple_GET_ITEM(tracing, IDS)))
        return 0;
    PyObject *bound = PyTuple_GET_ITEM(tracing, BOUND);
    return bound == Py_None || (PyLong_CheckExact(bound) && (PyLong_AsUnsignedLongLong(bound), !PyErr_Occurred()));
}

/* Takes the last of the ready ids, as Tracing does; NULL if there is none, for Python to make more. */
static PyObject *take_id(PyObject *tracing)
{
    PyObject *ids = PyTuple_GET_ITEM(tracing, IDS);
    Py_ssize_t last = PyList_GET_SIZE(ids) - 1;
    if (last < 0 || !is_id(PyList_GET_ITEM(ids, last), ID_SIZE))
        return NULL;
    PyObject *id = own(PyList_GET_ITEM(ids, last));
    if (PyList_SetSlice(ids, last, last + 1, NULL) < 0)
        Py_CLEAR(id);
    return id;
}

static PyObject *take_trace_id(PyObject *tracing)
{
    PyObject *trace_id = NULL, *high = take_id(tracing), *low = take_id(tracing);
    if (high != NULL && low != NULL && (trace_id = PyBytes_FromStringAndSize(NULL, TRACE_SIZE)) != NULL)
        put_bytes(put_bytes((unsigned char *)PyBytes_AS_STRING(trace_id), high), low);
    Py_XDECREF(high);
    Py_XDECREF(low);
    return trace_id;
}

/* Sampling.decide: whether the low half of the trace id is below the bound; a bound of None samples all. */
static int decide(PyObject *trace_id, PyObject *tracing)
{
    const unsigned char *id = (const unsigned char *)PyBytes_AS_STRING(trace_id) + 8;
    PyObject *bound = PyTuple_GET_ITEM(tracing, BOUND);
    unsigned long long low = 0;
    for (int i = 0; i < 8; i++)
        low = low << 8 | id[i];
    return bound == Py_None || low < PyLong_AsUnsignedLongLong(bound);
}

/* What all new spans have in common. */
static int begin(PyObject *span, Offsets at, PyObject *template, PyObject *tracing, PyObject *now)
{
    return fill(span, at, SPAN_ID, take_id(tracing)) && fill(span, at, TEMPLATE, own(template)) &&
           fill(span, at, FINISH, own(PyTuple_GET_ITEM(tracing, FINISHES))) &&
           fill(span, at, START_TIME, own(now)) && fill(span, at, END_TIME, PyLong_FromLong(0)) &&
           fill(span, at, RARE, own(Py_None)) && fill(span, at, STATE, own(Py_None)) && fill(span, at, KEY, own(Py_None));
}

/* The identity of a span below this parent, or of a root. */
static int identify(PyObject *span, Offsets at, const unsigned char *trace_id, const unsigned char *parent_id, int sampled)
{
    return fill(span, at, TRACE_ID, PyBytes_FromStringAndSize((const char *)trace_id, TRACE_SIZE)) &&
           fill(span, at, PARENT_ID, PyBytes_FromStringAndSize((const char *)parent_id, ID_SIZE)) &&
           fill(span, at, SAMPLED, own(sampled ? Py_True : Py_False));
}

static int identify_root(PyObject *span, Offsets at, PyObject *tracing)
{
    PyObject *trace_id = take_trace_id(tracing);
    return fill(span, at, TRACE_ID, trace_id) && fill(span, at, PARENT_ID, PyBytes_FromStringAndSize(NULL, 0)) &&
           fill(span, at, SAMPLED, own(decide(trace_id, tracing) ? Py_True : Py_False));
}

/* What was begun and came to nothing: Python does it all again, and says what is wrong. */
static PyObject *left_to_python(PyObject *span)
{
    Py_XDECREF(span);
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* ---- encoder ---- */

enum { ENCODER_OFFSETS, ENCODER_TEMPLATE, ENCODER_NAMES, ENCODER_CLASS, ENCODER_TEMPLATE_CLASS, ENCODER_PYTHON };
enum { NAME_PARTITION, NAME_OFFSET, NAME_SIZE, NAME_TIMESTAMP, NAME_KEY, NAMES };

static unsigned char *put_varint(unsigned char *to, unsigned long long number)
{
    for (; number > 0x7f; number >>= 7)
        *to++ = (unsigned char)(number | 0x80);
    *to++ = (unsigned char)number;
    return to;
}

static int varint_size(unsigned long long number)
{
    int size = 1;
    while (number >>= 7)
        size++;
    return size;
}

/* encode._Integers: the varint is at least three bytes long, which is allowed, and quick in Python. */
static unsigned char *put_integer(unsigned char *to, PyObject *name, unsigned long long number)
{
    int size = 3 + varint_size(number >> 14);
    *to++ = 0x4a;
    *to++ = (unsigned char)(PyBytes_GET_SIZE(name) + 2 + size);
    to = put_bytes(to, name);
    *to++ = 0x12;
    *to++ = (unsigned char)size;
    *to++ = 0x18;
    *to++ = (unsigned char)(number | 0x80);
    *to++ = (unsigned char)(number >> 7 | 0x80);
    return put_varint(to, number >> 14);
}

static unsigned char *put_text(unsigned char *to, PyObject *name, const void *text, Py_ssize_t size)
{
    unsigned long long length = (unsigned long long)size, value = 1 + (unsigned)varint_size(length) + length;
    *to++ = 0x4a;
    to = put_varint(to, (unsigned long long)PyBytes_GET_SIZE(name) + 1 + (unsigned)varint_size(value) + value);
    to = put_bytes(to, name);
    *to++ = 0x12;
    to = put_varint(to, value);
    *to++ = 0x0a;
    return put(put_varint(to, length), text, size);
}

static unsigned char *put_time(unsigned char *to, unsigned char tag, unsigned long long time)
{
    *to++ = tag;
    for (int i = 0; i < 8; i++)
        *to++ = (unsigned char)(time >> 8 * i);
    return to;
}

/* The span as encode._plain writes it, or NULL with or without an exception. Nothing here runs other code. */
static PyObject *encode_plain(PyObject *self, PyObject *span)
{
    Offsets at = offsets_in(self, ENCODER_OFFSETS), template_at = offsets_in(self, ENCODER_TEMPLATE);
    PyObject *names = PyTuple_GET_ITEM(self, ENCODER_NAMES);
    if (!is_instance(span, PyTuple_GET_ITEM(self, ENCODER_CLASS)))
        return NULL;
    PyObject *template = *slot(span, at, TEMPLATE);
    if (*slot(span, at, RARE) != Py_None || *slot(span, at, STATE) != Py_None || template == NULL ||
        !is_instance(template, PyTuple_GET_ITEM(self, ENCODER_TEMPLATE_CLASS)))
        return NULL;
    PyObject *head = *slot(template, template_at, 0), *parent_id = *slot(span, at, PARENT_ID);
    PyObject *trace_id = *slot(span, at, TRACE_ID), *span_id = *slot(span, at, SPAN_ID);
    unsigned long long start, end;
    if (!is_bytes(head, LONGEST) || !is_id(trace_id, TRACE_SIZE) || !is_id(span_id, ID_SIZE) ||
        !(is_id(parent_id, ID_SIZE) || is_id(parent_id, 0)) || !whole(*slot(span, at, START_TIME), &start) ||
        !whole(*slot(span, at, END_TIME), &end))
        return NULL;

    /* The field's own size comes first, and is known last: at most two bytes. */
    unsigned char buffer[BUFFER], *body = buffer + 3, *to = body;
    to = put_bytes(put(to, "\x0a\x10", 2), trace_id);
    to = put_bytes(put(to, "\x12\x08", 2), span_id);
    to = put_time(put_time(to, 0x39, start), 0x41, end);
    to = put_bytes(to, head);
    if (PyBytes_GET_SIZE(parent_id))
        to = put_bytes(put(to, "\x22\x08", 2), parent_id);

    PyObject *partition = *slot(span, at, PARTITION);
    unsigned long long number;
    if (partition != Py_None) {
        unsigned char text[24];
        if (!whole(partition, &number))
            return NULL;
        to = put_text(to, PyTuple_GET_ITEM(names, NAME_PARTITION), text, put_number(text, number, 10) - text);
    }
    static const int integers[][2] = {{OFFSET, NAME_OFFSET}, {SIZE, NAME_SIZE}, {TIMESTAMP, NAME_TIMESTAMP}};
    for (int i = 0; i < 3; i++) {
        PyObject *value = *slot(span, at, integers[i][0]);
        if (value == Py_None)
            continue;
        if (!whole(value, &number))
            return NULL;
        to = put_integer(to, PyTuple_GET_ITEM(names, integers[i][1]), number);
    }
    PyObject *key = *slot(span, at, KEY);
    if (key != Py_None) {
        Py_ssize_t size = 0;
        if (!is_ascii(key) || (size = PyUnicode_GET_LENGTH(key)) > LONGEST)
            return NULL;
        to = put_text(to, PyTuple_GET_ITEM(names, NAME_KEY), PyUnicode_1BYTE_DATA(key), size);
    }

    Py_ssize_t size = to - body;
    unsigned char *field = body - 1 - varint_size((unsigned long long)size);
    field[0] = 0x12;
    put_varint(field + 1, (unsigned long long)size);
    return PyBytes_FromStringAndSize((const char *)field, to - field);
}

static PyObject *encode(PyObject *self, PyObject *span)
{
    PyObject *encoded = encode_plain(self, span);
    if (encoded != NULL)
        return encoded;
    PyErr_Clear();
    return PyObject_CallFunctionObjArgs(PyTuple_GET_ITEM(self, ENCODER_PYTHON), span, NULL);
}

static PyMethodDef encode_method = {"encode", encode, METH_O, "One light span as a field of ``ScopeSpans``."};

/* ---- receiver ---- */

enum { RECEIVER_OFFSETS, RECEIVER_TOPIC, RECEIVER_CLASS, RECEIVER_TOPIC_CLASS, RECEIVER_TRACEPARENT, RECEIVER_LINEAGE, RECEIVER_OTHERS };
/* A Received: where its fields are. */
enum { IN_PARTITION = 2, AT_OFFSET, VALUE = 5, GIVEN, SENT, DELIVERIES, FACTS };

static int same(PyObject *name, PyObject *other)
{
    return PyUnicode_GET_LENGTH(name) == PyUnicode_GET_LENGTH(other) &&
           !memcmp(PyUnicode_1BYTE_DATA(name), PyUnicode_1BYTE_DATA(other), (size_t)PyUnicode_GET_LENGTH(name));
}

/* Finds our two headers (borrowed); false if there is one twice, another one that is read, or something odd. */
static int find(PyObject *self, PyObject *headers, PyObject **traceparent, PyObject **lineage)
{
    PyObject *others = PyTuple_GET_ITEM(self, RECEIVER_OTHERS);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
        PyObject *pair = PyList_GET_ITEM(headers, i), **found = NULL;
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2)
            return 0;
        PyObject *name = PyTuple_GET_ITEM(pair, 0);
        if (!PyUnicode_CheckExact(name) || !PyUnicode_IS_COMPACT(name))
            return 0;
        if (!PyUnicode_IS_COMPACT_ASCII(name))
            continue;
        if (same(name, PyTuple_GET_ITEM(self, RECEIVER_TRACEPARENT)))
            found = traceparent;
        else if (same(name, PyTuple_GET_ITEM(self, RECEIVER_LINEAGE)))
            found = lineage;
        if (found != NULL) {
            if (*found != NULL)
                return 0;
            *found = PyTuple_GET_ITEM(pair, 1);
        }
        for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(others); j++)
            if (same(name, PyTuple_GET_ITEM(others, j)))
                return 0;
    }
    return 1;
}

/* (facts, base, topic, now, max_hops, max_age_ms, tracing) -> ProcessSpan or None */
static PyObject *receive(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    unsigned long long now, max_hops, max_age, sent = 0;
    if (count != 7 || !PyTuple_Check(args[0]) || PyTuple_GET_SIZE(args[0]) != FACTS ||
        !is_instance(args[2], PyTuple_GET_ITEM(self, RECEIVER_TOPIC_CLASS)) || !whole(args[3], &now) ||
        !whole(args[4], &max_hops) || !whole(args[5], &max_age) || !is_tracing(args[6]))
        return left_to_python(NULL);
    PyObject *facts = args[0], *topic = args[2], *tracing = args[6];
    PyObject *value = PyTuple_GET_ITEM(facts, VALUE), *given = PyTuple_GET_ITEM(facts, GIVEN);
    PyObject *timestamp = PyTuple_GET_ITEM(facts, SENT);
    if (!PyBytes_CheckExact(value) || PyTuple_GET_ITEM(facts, DELIVERIES) != Py_None ||
        !(given == Py_None || PyList_CheckExact(given)) || !(timestamp == Py_None || whole(timestamp, &sent)))
        return left_to_python(NULL);

    Offsets at = offsets_in(self, RECEIVER_OFFSETS), topic_at = offsets_in(self, RECEIVER_TOPIC);
    PyObject *span = instance(PyTuple_GET_ITEM(self, RECEIVER_CLASS));
    if (span == NULL)
        return left_to_python(NULL);
    PyObject *traceparent = NULL, *lineage = NULL, *template = *slot(topic, topic_at, TOPIC_TEMPLATE);
    PyObject *place = *slot(topic, topic_at, PLACE);
    if (template == NULL || !is_bytes(place, LONGEST) || (given != Py_None && !find(self, given, &traceparent, &lineage)))
        return left_to_python(span);
    struct progress said = {.hops = 0};
    if (traceparent == NULL && lineage == NULL) {
        if (!fill(span, at, MARKER, own(Py_None)) || !identify_root(span, at, tracing) ||
            !fill(span, at, ENTRY, new_entry(place, sent ? sent : now / 1000000)))
            return left_to_python(span);
    }
    else {
        struct parent parent;
        if (!read_traceparent(traceparent, &parent) || !read_lineage(lineage, &said) || said.hops >= max_hops ||
            (long long)(now / 1000000) - (long long)said.time >= (long long)max_age ||
            !fill(span, at, MARKER, own(traceparent)) ||
            !identify(span, at, parent.trace_id, parent.span_id, parent.sampled) ||
            !fill(span, at, ENTRY, PyBytes_FromStringAndSize(said.entry, said.entry_size)))
            return left_to_python(span);
    }
    if (begin(span, at, template, tracing, args[3]) && fill(span, at, PARTITION, own(PyTuple_GET_ITEM(facts, IN_PARTITION))) &&
        fill(span, at, OFFSET, own(PyTuple_GET_ITEM(facts, AT_OFFSET))) && fill(span, at, TIMESTAMP, own(timestamp)) &&
        fill(span, at, SIZE, PyLong_FromSsize_t(PyBytes_GET_SIZE(value))) &&
        fill(span, at, HOPS, PyLong_FromUnsignedLongLong(said.hops)) && fill(span, at, PROPAGATED, PyTuple_New(0)) &&
        fill(span, at, BAGGAGE, own(Py_None)) && fill(span, at, BASE, own(args[1])) &&
        fill(span, at, CLOSED, own(Py_False)) && fill(span, at, HOME, PyLong_FromLong(0)))
        return span;
    return left_to_python(span);
}

static PyMethodDef receive_method = {
    "receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL, "The span of a consumed message, or None."};

/* ---- sender ---- */

enum {
    SENDER_OFFSETS, SENDER_PROCESS, SENDER_TOPIC, SENDER_CLASS, SENDER_PROCESS_CLASS, SENDER_TOPIC_CLASS, SENDER_LIGHT_CLASS,
    SENDER_TRACEPARENT, SENDER_LINEAGE
};

static PyObject *pair(PyObject *name, PyObject *value)
{
    PyObject *both = value != NULL ? PyTuple_Pack(2, name, value) : NULL;
    Py_XDECREF(value);
    return both;
}

/* Outbound.headers, for a send that has none of its own. */
static PyObject *new_headers(PyObject *self, PyObject *span, Offsets at, PyObject *constant, unsigned long long sequence,
                             unsigned long long hops)
{
    unsigned char ids[IDS_SIZE], text[3 * LONGEST], *to = put_hex(ids, *slot(span, at, TRACE_ID));
    PyObject *entry = *slot(span, at, ENTRY);
    *to++ = '-';
    put_hex(to, *slot(span, at, SPAN_ID));

    to = put(put(put(text, "00-", 3), ids, IDS_SIZE), *slot(span, at, SAMPLED) == Py_True ? "-01" : "-00", 3);
    PyObject *traceparent = PyBytes_FromStringAndSize((char *)text, to - text);
    to = put_bytes(put(put(text, "lineage=1;s=", 12), ids, IDS_SIZE), constant);
    to = put_number(put(to, ";n=", 3), sequence, 10);
    to = put_bytes(put_number(put(to, ";h=", 3), hops, 10), entry);
    PyObject *lineage = PyBytes_FromStringAndSize((char *)text, to - text);

    PyObject *headers = PyList_New(2);
    PyObject *first = pair(PyTuple_GET_ITEM(self, SENDER_TRACEPARENT), traceparent);
    PyObject *second = pair(PyTuple_GET_ITEM(self, SENDER_LINEAGE), lineage);
    if (headers == NULL || first == NULL || second == NULL) {
        Py_XDECREF(headers);
        Py_XDECREF(first);
        Py_XDECREF(second);
        return NULL;
    }
    PyList_SET_ITEM(headers, 0, first);
    PyList_SET_ITEM(headers, 1, second);
    return headers;
}

/* A new span below this one; false if that is no plain span. All light spans begin with the same slots. */
static int send_below(PyObject *span, Offsets at, PyObject *parent)
{
    PyObject *trace_id = *slot(parent, at, TRACE_ID), *span_id = *slot(parent, at, SPAN_ID);
    PyObject *sampled = *slot(parent, at, SAMPLED);
    return is_id(trace_id, TRACE_SIZE) && is_id(span_id, ID_SIZE) && (sampled == Py_True || sampled == Py_False) &&
           *slot(parent, at, STATE) == Py_None && fill(span, at, TRACE_ID, own(trace_id)) && fill(span, at, PARENT_ID, own(span_id)) &&
           fill(span, at, SAMPLED, own(sampled));
}

/* The event goes on with this send; false if what it came by is not plain. */
static int go_on(PyObject *span, Offsets at, PyObject *event, Offsets event_at, unsigned long long *hops)
{
    PyObject *propagated = *slot(event, event_at, PROPAGATED), *entry = *slot(event, event_at, ENTRY);
    if (!is_bytes(entry, LONGEST) || !whole(*slot(event, event_at, HOPS), hops) || propagated == NULL ||
        !PyTuple_CheckExact(propagated) || PyTuple_GET_SIZE(propagated))
        return 0;
    ++*hops;
    return fill(span, at, ENTRY, own(entry));
}

/* (sends, client, topic, context, callback, value, parent, event, sequence, now, tracing) -> SendSpan or None.
   Python makes the headers if `sequence` is None. */
static PyObject *send(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *class = PyTuple_GET_ITEM(self, SENDER_CLASS), *process_class = PyTuple_GET_ITEM(self, SENDER_PROCESS_CLASS);
    Offsets at = offsets_in(self, SENDER_OFFSETS), topic_at = offsets_in(self, SENDER_TOPIC);
    unsigned long long now, sequence = 0, hops = 0;
    if (count != 11 || !is_instance(args[2], PyTuple_GET_ITEM(self, SENDER_TOPIC_CLASS)) || !whole(args[9], &now) ||
        !is_tracing(args[10]) || !(args[8] == Py_None || whole(args[8], &sequence)))
        return left_to_python(NULL);
    PyObject *topic = args[2], *value = args[5], *parent = args[6], *event = args[7], *tracing = args[10];
    int is_text = is_ascii(value);
    Offsets event_at = is_instance(event, process_class) ? offsets_in(self, SENDER_PROCESS) : is_instance(event, class) ? at : NULL;
    if (!(is_text || PyBytes_CheckExact(value)) || !(event == Py_None || event_at != NULL) ||
        !(parent == Py_None || is_instance(parent, PyTuple_GET_ITEM(self, SENDER_LIGHT_CLASS))))
        return left_to_python(NULL);

    PyObject *span = instance(class);
    if (span == NULL)
        return left_to_python(NULL);
    PyObject *template = *slot(topic, topic_at, TOPIC_TEMPLATE), *place = *slot(topic, topic_at, PLACE);
    PyObject *constant = *slot(topic, topic_at, CONSTANT);
    if (template != NULL && is_bytes(place, LONGEST) && is_bytes(constant, LONGEST) &&
        (parent == Py_None ? identify_root(span, at, tracing) : send_below(span, at, parent)) &&
        (event == Py_None ? fill(span, at, ENTRY, new_entry(place, now / 1000000)) : go_on(span, at, event, event_at, &hops)) &&
        begin(span, at, template, tracing, args[9]) && fill(span, at, PARTITION, own(Py_None)) &&
        fill(span, at, OFFSET, own(Py_None)) && fill(span, at, TIMESTAMP, own(Py_None)) &&
        fill(span, at, SIZE, PyLong_FromSsize_t(is_text ? PyUnicode_GET_LENGTH(value) : PyBytes_GET_SIZE(value))) &&
        fill(span, at, HOPS, PyLong_FromUnsignedLongLong(hops)) && fill(span, at, PROPAGATED, PyTuple_New(0)) &&
        fill(span, at, SENDS, own(args[0])) && fill(span, at, CLIENT, own(args[1])) && fill(span, at, TOPIC, own(topic)) &&
        fill(span, at, OUTSIDE, own(args[3])) && fill(span, at, CALLBACK, own(args[4])) &&
        fill(span, at, HEADERS, args[8] == Py_None ? own(Py_None) : new_headers(self, span, at, constant, sequence, hops)))
        return span;
    return left_to_python(span);
}

static PyMethodDef send_method = {
    "send", (PyCFunction)(void (*)(void))send, METH_FASTCALL, "The span of a send with its headers, or None."};

/* ---- The module: each function makes one of those above, bound to what it needs ---- */

static int are_names(PyObject *names, Py_ssize_t count)
{
    int usable = PyTuple_GET_SIZE(names) == count;
    for (Py_ssize_t i = 0; usable && i < count; i++)
        usable = is_ascii(PyTuple_GET_ITEM(names, i));
    if (!usable)
        PyErr_SetString(PyExc_TypeError, "names of headers are wanted, in ASCII");
    return usable;
}

/* A function with this tuple as its `self`; takes over the reference. */
static PyObject *bound_to(PyObject *self, PyMethodDef *method)
{
    PyObject *function = self != NULL ? PyCFunction_NewEx(method, self, NULL) : NULL;
    Py_XDECREF(self);
    return function;
}

static PyObject *encoder(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *class, *template_class, *names, *python;
    if (!PyArg_ParseTuple(args, "OOO!O", &class, &template_class, &PyTuple_Type, &names, &python))
        return NULL;
    int usable = PyTuple_GET_SIZE(names) == NAMES;
    for (Py_ssize_t i = 0; usable && i < NAMES; i++)
        usable = is_bytes(PyTuple_GET_ITEM(names, i), LONGEST_NAME);
    if (!usable)
        return PyErr_Format(PyExc_TypeError, "%d encoded names are wanted", NAMES);
    return bound_to(Py_BuildValue("NNOOOO", offsets(class, light_names, LIGHT_SLOTS), offsets(template_class, template_names, 1),
                                  names, class, template_class, python),
                    &encode_method);
}

static PyObject *receiver(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *class, *topic_class, *ours, *others;
    if (!PyArg_ParseTuple(args, "OOO!O!", &class, &topic_class, &PyTuple_Type, &ours, &PyTuple_Type, &others) ||
        !are_names(ours, 2) || !are_names(others, PyTuple_GET_SIZE(others)))
        return NULL;
    return bound_to(Py_BuildValue("NNOOOOO", offsets(class, process_names, PROCESS_SLOTS),
                                  offsets(topic_class, topic_names, TOPIC_SLOTS), class, topic_class,
                                  PyTuple_GET_ITEM(ours, 0), PyTuple_GET_ITEM(ours, 1), others),
                    &receive_method);
}

static PyObject *sender(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *class, *process_class, *topic_class, *light_class, *ours;
    if (!PyArg_ParseTuple(args, "OOOO!O!", &class, &process_class, &topic_class, &PyType_Type, &light_class, &PyTuple_Type, &ours) ||
        !are_names(ours, 2))
        return NULL;
    PyObject *own_slots = offsets(class, send_names, SEND_SLOTS), *base_slots = offsets(light_class, light_names, LIGHT_SLOTS);
    if (own_slots == NULL || base_slots == NULL ||
        memcmp(PyBytes_AS_STRING(own_slots), PyBytes_AS_STRING(base_slots), (size_t)PyBytes_GET_SIZE(base_slots))) {
        Py_XDECREF(own_slots);
        Py_XDECREF(base_slots);
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "the first slots are not those of a light span");
    }
    Py_DECREF(base_slots);
    return bound_to(Py_BuildValue("NNNOOOOOO", own_slots, offsets(process_class, process_names, PROCESS_SLOTS),
                                  offsets(topic_class, topic_names, TOPIC_SLOTS), class, process_class, topic_class, light_class,
                                  PyTuple_GET_ITEM(ours, 0), PyTuple_GET_ITEM(ours, 1)),
                    &send_method);
}

static PyMethodDef functions[] = {
    {"encoder", encoder, METH_VARARGS, "(LightSpan, Template, encoded names, encode in Python) -> encode"},
    {"receiver", receiver, METH_VARARGS, "(ProcessSpan, Topic, names of our headers, of others that are read) -> receive"},
    {"sender", sender, METH_VARARGS, "(SendSpan, ProcessSpan, Topic, LightSpan, names of our headers) -> send"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "lineage.agent._native",
    .m_doc = "The plain case of three steps that every message goes through.",
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&module);
}
