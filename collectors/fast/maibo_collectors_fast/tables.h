/* Two hash tables: texts to small numbers, and counts by time, series and bin. Senders choose the keys, so the hash is seeded. */
#ifndef MAIBO_TABLES_H
#define MAIBO_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* The product of two words, folded: wyhash's step. */
static inline uint64_t folded_product(uint64_t a, uint64_t b) {
    const uint64_t mask = 0xffffffff;
    const uint64_t low = (a & mask) * (b & mask), high = (a >> 32) * (b >> 32);
#ifdef __SIZEOF_INT128__
    (void)low, (void)high, (void)mask;
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    const uint64_t left = (a >> 32) * (b & mask), right = (a & mask) * (b >> 32);
    const uint64_t middle = (low >> 32) + (left & mask) + (right & mask);
    return (low & mask | middle << 32) ^ (high + (left >> 32) + (right >> 32) + (middle >> 32));
#endif
}

static inline uint64_t word_at(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static inline uint32_t hash_of(uint64_t seed, const uint8_t *at, size_t length) {
    uint64_t hash = seed ^ length, last = 0;
    for (; length > 8; at += 8, length -= 8) hash = folded_product(hash ^ word_at(at), seed ^ 0x9e3779b97f4a7c15);
    memcpy(&last, at, length);
    hash = folded_product(hash ^ last, seed ^ 0x9e3779b97f4a7c15);
    return (uint32_t)(hash ^ hash >> 32);
}

/* Grows an array to hold `needed` elements of `size`; false when memory is out, the array is then as it was. */
static inline bool grow(void **array, size_t *room, size_t needed, size_t size) {
    if (needed <= *room) return true;
    size_t larger = *room ? *room : 64;
    while (larger < needed) larger *= 2;
    void *moved = realloc(*array, larger * size);
    if (moved == NULL) return false;
    *array = moved;
    *room = larger;
    return true;
}

/* --- open addressing: slots hold numbers of entries + 1 */

typedef struct {
    uint32_t *at;
    size_t room; /* a power of two, at least twice the entries; 0 before the first */
} slots;

static inline bool slots_for(slots *some, size_t entries) {
    size_t room = some->room ? some->room : 256;
    while (room < 2 * entries) room *= 2;
    if (room != some->room) {
        uint32_t *fresh = calloc(room, sizeof *fresh);
        if (fresh == NULL) return false;
        free(some->at);
        some->at = fresh;
        some->room = room;
    }
    return true;
}

static inline void slots_clear(slots *some) {
    if (some->room) memset(some->at, 0, some->room * sizeof *some->at);
}

static inline void slots_free(slots *some) {
    free(some->at);
    *some = (slots){0};
}

static inline void slots_put(slots *some, uint32_t hash, uint32_t entry) {
    size_t slot = hash & (some->room - 1);
    while (some->at[slot]) slot = (slot + 1) & (some->room - 1);
    some->at[slot] = entry + 1;
}

/* --- texts to small numbers */

typedef struct {
    uint32_t hash, length;
    size_t offset;
} text;

typedef struct {
    uint8_t *bytes;
    size_t used, room;
    text *texts;
    size_t count, texts_room;
    slots index;
} interner;

static inline void interner_free(interner *some) {
    free(some->bytes);
    free(some->texts);
    slots_free(&some->index);
    *some = (interner){0};
}

static inline bool interner_add(interner *some, uint32_t hash, const uint8_t *at, size_t length) {
    const size_t before = some->index.room;
    if (!grow((void **)&some->bytes, &some->room, some->used + length, 1)) return false;
    if (!grow((void **)&some->texts, &some->texts_room, some->count + 1, sizeof *some->texts)) return false;
    if (!slots_for(&some->index, some->count + 1)) return false;
    if (some->index.room != before)
        for (size_t each = 0; each < some->count; each++) slots_put(&some->index, some->texts[each].hash, (uint32_t)each);
    if (length) memcpy(some->bytes + some->used, at, length);
    some->texts[some->count] = (text){hash, (uint32_t)length, some->used};
    some->used += length;
    slots_put(&some->index, hash, (uint32_t)some->count++);
    return true;
}

/* The number of a text, the next one if it is new; NONE when memory is out. */
static inline uint32_t intern(interner *some, uint64_t seed, const void *key, size_t length) {
    const uint8_t *at = key;
    const uint32_t hash = hash_of(seed, at, length);
    if (some->index.room) {
        const size_t mask = some->index.room - 1;
        for (size_t slot = hash & mask; some->index.at[slot]; slot = (slot + 1) & mask) {
            const text *one = some->texts + (some->index.at[slot] - 1);
            if (one->hash == hash && one->length == length && (!length || memcmp(some->bytes + one->offset, at, length) == 0))
                return some->index.at[slot] - 1;
        }
    }
    return interner_add(some, hash, at, length) ? (uint32_t)(some->count - 1) : NONE;
}

/* --- counts, in order of first appearance */

typedef struct {
    uint32_t t, series, which, hash;
    uint64_t n, m;
} row;

typedef struct {
    row *rows;
    size_t count, room;
    slots index;
} counts;

static inline void counts_free(counts *some) {
    free(some->rows);
    slots_free(&some->index);
    *some = (counts){0};
}

/* What one large body took is given back. */
static inline void counts_clear(counts *some) {
    if (some->room > 1 << 16) counts_free(some);
    slots_clear(&some->index);
    some->count = 0;
}

static inline uint32_t row_hash(uint64_t seed, uint32_t t, uint32_t series, uint32_t which) {
    const uint64_t mixed = folded_product(seed ^ ((uint64_t)t << 32 | series), (seed << 1 | 1) + which * 0x9e3779b97f4a7c15);
    return (uint32_t)(mixed ^ mixed >> 32);
}

static inline row *row_with(const counts *some, uint32_t hash, uint32_t t, uint32_t series, uint32_t which) {
    if (some->index.room == 0) return NULL;
    const size_t mask = some->index.room - 1;
    for (size_t slot = hash & mask; some->index.at[slot]; slot = (slot + 1) & mask) {
        row *one = some->rows + (some->index.at[slot] - 1);
        if (one->series == series && one->which == which && one->t == t) return one;
    }
    return NULL;
}

static inline const row *find_row(const counts *some, uint64_t seed, uint32_t t, uint32_t series, uint32_t which) {
    return row_with(some, row_hash(seed, t, series, which), t, series, which);
}

/* The row of a key, a new one with n = m = 0; NULL when memory is out. Rows move when the next one is asked for. */
static inline row *row_of(counts *some, uint64_t seed, uint32_t t, uint32_t series, uint32_t which) {
    const uint32_t hash = row_hash(seed, t, series, which);
    row *known = row_with(some, hash, t, series, which);
    if (known != NULL) return known;
    const size_t before = some->index.room;
    if (!grow((void **)&some->rows, &some->room, some->count + 1, sizeof *some->rows)) return NULL;
    if (!slots_for(&some->index, some->count + 1)) return NULL;
    if (some->index.room != before)
        for (size_t each = 0; each < some->count; each++) slots_put(&some->index, some->rows[each].hash, (uint32_t)each);
    some->rows[some->count] = (row){t, series, which, hash, 0, 0};
    slots_put(&some->index, hash, (uint32_t)some->count);
    return some->rows + some->count++;
}

#endif
