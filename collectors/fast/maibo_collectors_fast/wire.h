/* Protobuf's wire format, read with a bounds check at every step.

   What upb accepts is read as upb reads it: unknown fields and groups are passed over, over-long varints are cut to 64 bits. What upb
   rejects ends in FIELD_BAD sooner or later, or is read as something else; it is never read beyond its end. */
#ifndef MAIBO_WIRE_H
#define MAIBO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, GROUP = 3, GROUP_END = 4, FIXED32 = 5 };
enum { FIELD_END, FIELD, FIELD_BAD };

/* Some bytes; `at == NULL`: none at all, which differs from an empty text. */
typedef struct {
    const uint8_t *at, *end;
} view;

typedef struct {
    uint32_t number, wire;
    uint64_t value; /* of VARINT and FIXED64 */
    view bytes;     /* of LENGTH */
} field;

static inline size_t length_of(view some) { return (size_t)(some.end - some.at); }

static inline bool read_varint(view *in, uint64_t *value) {
    if (in->at < in->end && *in->at < 0x80) {
        *value = *in->at++;
        return true;
    }
    uint64_t result = 0;
    for (unsigned shift = 0; shift <= 63; shift += 7) {
        if (in->at >= in->end) return false;
        const uint8_t byte = *in->at++;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    return false;
}

static inline bool read_fixed64(view *in, uint64_t *value) {
    if (length_of(*in) < 8) return false;
    uint64_t result = 0;
    for (unsigned each = 0; each < 8; each++) result |= (uint64_t)in->at[each] << (8 * each); /* one load, where bytes lie so */
    in->at += 8;
    *value = result;
    return true;
}

static inline bool read_length(view *in, view *bytes) {
    uint64_t length;
    if (!read_varint(in, &length) || length > length_of(*in)) return false;
    bytes->at = in->at;
    bytes->end = in->at += length;
    return true;
}

/* Of a field that is no group. */
static inline bool read_value(view *in, field *out) {
    switch (out->wire) {
    case VARINT:
        return read_varint(in, &out->value);
    case FIXED64:
        return read_fixed64(in, &out->value);
    case LENGTH:
        return read_length(in, &out->bytes);
    case FIXED32:
        if (length_of(*in) < 4) return false;
        in->at += 4;
        return true;
    default:
        return false;
    }
}

static inline bool read_tag(view *in, field *out) {
    uint64_t tag;
    if (!read_varint(in, &tag)) return false;
    out->number = (uint32_t)tag >> 3;
    out->wire = (uint32_t)tag & 7;
    out->value = 0;
    return true;
}

/* Without recursion: nobody's groups are to use up the stack. In them upb takes number 0 too, which no field has. */
static inline bool skip_group(view *in) {
    for (size_t depth = 1; depth > 0;) {
        field inner;
        if (!read_tag(in, &inner)) return false;
        if (inner.wire == GROUP) depth++;
        else if (inner.wire == GROUP_END) depth--;
        else if (!read_value(in, &inner)) return false;
    }
    return true;
}

/* A group comes back as a field of wire GROUP, passed over. */
static inline int next_field(view *in, field *out) {
    if (in->at >= in->end) return FIELD_END;
    if (!read_tag(in, out) || out->number == 0) return FIELD_BAD;
    if (out->wire == GROUP) return skip_group(in) ? FIELD : FIELD_BAD;
    return read_value(in, out) ? FIELD : FIELD_BAD;
}

static inline bool is(const field *one, uint32_t number, uint32_t wire) { return one->number == number && one->wire == wire; }

#endif
