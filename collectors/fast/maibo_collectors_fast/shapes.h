/* From bytes to spans, each with its shape: what of a span decides how it counts, as a small number. */
#ifndef MAIBO_SHAPES_H
#define MAIBO_SHAPES_H

#include "scanner.h"

/* --- keys */

static inline uint32_t key_hash(const uint8_t *at, size_t length) {
    uint64_t word = 0;
    if (length >= 8) word = word_at(at + length - 8);
    else memcpy(&word, at, length);
    word = (word ^ length) * 0x9e3779b97f4a7c15;
    return (uint32_t)(word >> 40);
}

static inline uint32_t key_number(const keyset *keys, const uint8_t *at, size_t length) {
    for (uint32_t slot = key_hash(at, length) & keys->mask; keys->index[slot]; slot = (slot + 1) & keys->mask) {
        const view known = keys->keys[keys->index[slot] - 1];
        if (length_of(known) == length && memcmp(known.at, at, length) == 0) return keys->index[slot] - 1;
    }
    return NONE;
}

static bool keyset_make(keyset *keys, const uint8_t *const *at, const size_t *lengths, size_t count) {
    uint32_t room = 16;
    while (room < 4 * count) room *= 2;
    keys->keys = calloc(count + 1, sizeof *keys->keys);
    keys->index = calloc(room, sizeof *keys->index);
    if (keys->keys == NULL || keys->index == NULL) return false;
    keys->mask = room - 1;
    for (size_t each = 0; each < count; each++) {
        uint8_t *copy = malloc(lengths[each] + 1);
        if (copy == NULL) return false;
        memcpy(copy, at[each], lengths[each]);
        keys->keys[each] = (view){copy, copy + lengths[each]};
        keys->count++;
        uint32_t slot = key_hash(copy, lengths[each]) & keys->mask;
        while (keys->index[slot]) slot = (slot + 1) & keys->mask;
        keys->index[slot] = (uint32_t)each + 1;
    }
    return true;
}

static void keyset_free(keyset *keys) {
    for (uint32_t each = 0; each < keys->count; each++) free((void *)keys->keys[each].at);
    free(keys->keys);
    free(keys->index);
}

/* --- scanning */

/* The integer of an AnyValue when it is positive, else 0. Of a oneof, the last member counts. */
static bool positive_integer(view any, uint64_t *out) {
    static const uint8_t wires[] = {9, LENGTH, VARINT, VARINT, FIXED64, LENGTH, LENGTH, LENGTH, VARINT};
    field part;
    int more;
    *out = 0;
    while ((more = next_field(&any, &part)) == FIELD) {
        if (part.number >= sizeof wires || part.wire != wires[part.number]) continue;
        *out = part.number == 3 && part.value <= INT64_MAX ? part.value : 0;
    }
    return more == FIELD_END;
}

/* Bytes that several fields hold together: a message that comes in pieces is what its pieces make one after the other. */
static bool join(buffer *joined, view piece) {
    if (!grow((void **)&joined->at, &joined->room, joined->used + length_of(piece) + 1, 1)) return false;
    memcpy(joined->at + joined->used, piece.at, length_of(piece));
    joined->used += length_of(piece);
    return true;
}

static int keep_value(scanner *s, const keyset *keys, uint32_t number, view raw, bool lasting) {
    if (keys == &s->span_keys && number == keys->count - 1) {
        s->tells_begin = true;
        return positive_integer(raw, &s->begin_us) ? DONE : MALFORMED;
    }
    s->values[number] = (value){raw, NONE};
    if (lasting) return DONE;
    s->values[number].text = intern(&s->texts, s->seed, raw.at, length_of(raw));
    return s->values[number].text == NONE ? NO_MEMORY : DONE;
}

/* A KeyValue that is not written as encoders do: the last key counts, pieces of the value are one. */
static int odd_attribute(scanner *s, const keyset *keys, view pair) {
    view key = {pair.at, pair.at};
    field part;
    int more;
    s->joined.used = 0;
    if (!grow((void **)&s->joined.at, &s->joined.room, 1, 1)) return NO_MEMORY;
    while ((more = next_field(&pair, &part)) == FIELD) {
        if (is(&part, 1, LENGTH)) key = part.bytes;
        else if (is(&part, 2, LENGTH) && !join(&s->joined, part.bytes)) return NO_MEMORY;
    }
    if (more == FIELD_BAD) return MALFORMED;
    const uint32_t number = key_number(keys, key.at, length_of(key));
    if (number == NONE) return DONE;
    return keep_value(s, keys, number, (view){s->joined.at, s->joined.at + s->joined.used}, false);
}

static inline int attribute(scanner *s, const keyset *keys, view pair) {
    view rest = pair, key, raw;
    if (length_of(pair) < 2 || pair.at[0] != (1 << 3 | LENGTH)) return odd_attribute(s, keys, pair);
    rest.at++;
    if (!read_length(&rest, &key)) return MALFORMED;
    if (rest.at == rest.end || *rest.at++ != (2 << 3 | LENGTH)) return odd_attribute(s, keys, pair);
    if (!read_length(&rest, &raw)) return MALFORMED;
    if (rest.at != rest.end) return odd_attribute(s, keys, pair);
    const uint32_t number = key_number(keys, key.at, length_of(key));
    return number == NONE ? DONE : keep_value(s, keys, number, raw, true);
}

static inline void no_values(scanner *s, uint32_t count) {
    for (uint32_t each = 0; each < count; each++) s->values[each] = (value){{NULL, NULL}, NONE};
}

/* Writes the numbers of the values' texts, NONE for those that are not there. */
static inline int intern_values(scanner *s, uint32_t *out, uint32_t count) {
    for (uint32_t each = 0; each < count; each++) {
        const value *one = s->values + each;
        out[each] = one->text;
        if (one->raw.at == NULL || one->text != NONE) continue;
        out[each] = intern(&s->texts, s->seed, one->raw.at, length_of(one->raw));
        if (out[each] == NONE) return NO_MEMORY;
    }
    return DONE;
}

/* Sets `pod` to that of the group, for its spans. Its row is the first and last end (u64), the lengths of namespace, pod and service (u32 each,
   NONE for one that is not there), as this machine has numbers, and these values. None where the resource names no pod, or the body too
   many. Once a group: what is forgotten in its midst is read again. */
static int find_pod(scanner *s) {
    buffer *to = &s->out.served;
    const uint64_t times[2] = {UINT64_MAX, 0};
    uint32_t lengths[IDENTITY];
    view parts[IDENTITY];
    size_t needed = sizeof times + sizeof lengths;
    if (s->pod_group == s->whole_group.at) return DONE;
    s->pod = 0;
    for (size_t each = 0; each < IDENTITY; each++) {
        const value *one = s->values + s->identity[each];
        parts[each] = one->raw;
        if (one->text != NONE) { /* its bytes were joined, and others since */
            const text *kept = s->texts.texts + one->text;
            parts[each] = (view){s->texts.bytes + kept->offset, s->texts.bytes + kept->offset + kept->length};
        }
        lengths[each] = one->raw.at == NULL ? NONE : (uint32_t)length_of(parts[each]);
        if (one->raw.at != NULL) needed += length_of(parts[each]);
    }
    if (lengths[NAMESPACE] == NONE || lengths[POD] == NONE || s->pods == PODS_LIMIT || to->used + needed >= NONE) return DONE;
    if (!grow((void **)&to->at, &to->room, to->used + needed, 1)) return NO_MEMORY;
    s->pod_group = s->whole_group.at;
    s->pod = (uint32_t)to->used + 1;
    s->pods++;
    memcpy(to->at + to->used, times, sizeof times);
    memcpy(to->at + to->used + sizeof times, lengths, sizeof lengths);
    to->used += sizeof times + sizeof lengths;
    for (size_t each = 0; each < IDENTITY; each++) {
        if (lengths[each] == NONE || lengths[each] == 0) continue;
        memcpy(to->at + to->used, parts[each].at, lengths[each]);
        to->used += lengths[each];
    }
    return DONE;
}

static int read_resource(scanner *s) {
    view group = s->whole_group;
    field part, inner;
    int more;
    no_values(s, s->resource_keys.count);
    while ((more = next_field(&group, &part)) == FIELD) {
        if (!is(&part, 1, LENGTH)) continue;
        view resource = part.bytes;
        while ((more = next_field(&resource, &inner)) == FIELD) {
            if (!is(&inner, 1, LENGTH)) continue;
            const int kept = attribute(s, &s->resource_keys, inner.bytes);
            if (kept != DONE) return kept;
        }
        if (more == FIELD_BAD) return MALFORMED;
    }
    if (more == FIELD_BAD) return MALFORMED;
    int done = find_pod(s);
    if (done == DONE) done = intern_values(s, s->key, s->shape_keys);
    if (done != DONE) return done;
    s->resource = intern(&s->texts, s->seed, s->key, s->shape_keys * sizeof *s->key);
    return s->resource == NONE ? NO_MEMORY : DONE;
}

/* The digits of th in the ot member of a tracestate, as sampling.threshold finds them: 4 bits each, their number above them; or 0. */
static uint64_t sampling_threshold(view state) {
    while (true) {
        const uint8_t *comma = length_of(state) ? memchr(state.at, ',', length_of(state)) : NULL;
        view member = {state.at, comma ? comma : state.end};
        while (member.at < member.end && (*member.at == ' ' || *member.at == '\t')) member.at++;
        while (member.at < member.end && (member.end[-1] == ' ' || member.end[-1] == '\t')) member.end--;
        if (length_of(member) >= 3 && memcmp(member.at, "ot=", 3) == 0) {
            state = (view){member.at + 3, member.end};
            break;
        }
        if (comma == NULL) return 0;
        state.at = comma + 1;
    }
    while (length_of(state) >= 3) {
        const uint8_t *semicolon = memchr(state.at, ';', length_of(state));
        const uint8_t *end = semicolon ? semicolon : state.end;
        if (end - state.at >= 3 && memcmp(state.at, "th:", 3) == 0) {
            const uint64_t digits = (uint64_t)(end - state.at) - 3;
            if (digits < 1 || digits > 14) return 0;
            uint64_t threshold = 0;
            for (const uint8_t *at = state.at + 3; at < end; at++) {
                if (*at >= '0' && *at <= '9') threshold = threshold << 4 | (uint64_t)(*at - '0');
                else if (*at >= 'a' && *at <= 'f') threshold = threshold << 4 | (uint64_t)(*at - 'a' + 10);
                else return 0;
            }
            return digits << 56 | threshold;
        }
        if (semicolon == NULL) return 0;
        state.at = semicolon + 1;
    }
    return 0;
}

static int read_error(view status, bool *error) {
    field part;
    int more;
    while ((more = next_field(&status, &part)) == FIELD)
        if (is(&part, 3, VARINT)) *error = (uint32_t)part.value == 2; /* int32: higher bits are cut */
    return more == FIELD_END ? DONE : MALFORMED;
}

enum { KEY_RESOURCE, KEY_KIND, KEY_ERROR, KEY_NAME, KEY_THRESHOLD, KEY_THRESHOLD_HIGH, KEY_VALUES };

static int read_span(scanner *s, view rest) {
    const uint32_t shown = s->span_keys.count - 1;
    span *one = s->spans + s->span_count;
    view name = {rest.at, rest.at}, state = name;
    uint32_t kind = 0;
    bool error = false;
    field part;
    int more, done = DONE;
    one->trace_id = one->span_id = name;
    one->start = one->end = 0;
    one->pod = s->pod;
    s->begin_us = 0;
    s->tells_begin = false;
    no_values(s, shown);
    while ((more = next_field(&rest, &part)) == FIELD && done == DONE) {
        switch (part.number << 3 | part.wire) {
        case 1 << 3 | LENGTH:
            one->trace_id = part.bytes;
            break;
        case 2 << 3 | LENGTH:
            one->span_id = part.bytes;
            break;
        case 3 << 3 | LENGTH:
            state = part.bytes;
            break;
        case 5 << 3 | LENGTH:
            name = part.bytes;
            break;
        case 6 << 3 | VARINT:
            kind = (uint32_t)part.value;
            break;
        case 7 << 3 | FIXED64:
            one->start = part.value;
            break;
        case 8 << 3 | FIXED64:
            one->end = part.value;
            break;
        case 9 << 3 | LENGTH:
            done = attribute(s, &s->span_keys, part.bytes);
            break;
        case 15 << 3 | LENGTH:
            done = read_error(part.bytes, &error);
            break;
        default:
            break;
        }
    }
    if (done != DONE) return done;
    if (more == FIELD_BAD) return MALFORMED;
    one->begin_us = s->begin_us;
    one->tells_begin = s->tells_begin;

    const uint64_t threshold = length_of(state) ? sampling_threshold(state) : 0;
    uint32_t *key = s->key;
    key[KEY_RESOURCE] = s->resource;
    key[KEY_KIND] = kind;
    key[KEY_ERROR] = error;
    key[KEY_NAME] = s->with_name ? intern(&s->texts, s->seed, name.at, length_of(name)) : 0;
    key[KEY_THRESHOLD] = (uint32_t)threshold;
    key[KEY_THRESHOLD_HIGH] = (uint32_t)(threshold >> 32);
    if (key[KEY_NAME] == NONE || intern_values(s, key + KEY_VALUES, shown) != DONE) return NO_MEMORY;
    one->shape = intern(&s->shapes, s->seed, key, (KEY_VALUES + shown) * sizeof *key);
    if (one->shape == NONE) return NO_MEMORY;
    s->span_count++;
    return DONE;
}

static inline bool tables_full(const scanner *s) {
    return s->texts.count > TEXTS_LIMIT || s->shapes.count > SHAPES_LIMIT || s->texts.used > BYTES_LIMIT || s->shapes.used > BYTES_LIMIT;
}

/* Spans until the chunk or a table is full. */
static int scan_chunk(scanner *s) {
    field part;
    int more = FIELD, done = DONE;
    while (s->span_count < CHUNK && !tables_full(s) && done == DONE) {
        if (s->scope.at < s->scope.end) {
            if ((more = next_field(&s->scope, &part)) == FIELD_BAD) return MALFORMED;
            if (!is(&part, 2, LENGTH)) continue;
            if (s->resource == NONE) done = read_resource(s);
            if (done == DONE) done = read_span(s, part.bytes);
        } else if (s->group.at < s->group.end) {
            if ((more = next_field(&s->group, &part)) == FIELD_BAD) return MALFORMED;
            if (is(&part, 2, LENGTH)) s->scope = part.bytes;
        } else {
            if ((more = next_field(&s->request, &part)) == FIELD_BAD) return MALFORMED;
            if (more == FIELD_END) {
                s->ended = true;
                return DONE;
            }
            if (!is(&part, 1, LENGTH)) continue;
            s->whole_group = s->group = part.bytes;
            s->resource = NONE;
        }
    }
    return done;
}

#endif
