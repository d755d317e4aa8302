/* From spans whose shapes are judged to the rows of a Tally, as Builder of maibo_collectors.otlp makes them. */
#ifndef MAIBO_ROWS_H
#define MAIBO_ROWS_H

#include "scanner.h"

#define CLOCK_SKEW 0 /* Python's number of that rejection */
#define LONGEST_NS INT64_MAX
#define BUCKET_NS 10000000000u
#define MINUTE_NS 60000000000u

/* --- latency bins: decades of 160, as maibo_slo.store.edges has them; the lower edge is outside, the upper one inside */

static uint32_t bin_of(uint64_t duration_ns) {
    static const uint64_t powers[] = {1000ull,          10000ull,          100000ull,          1000000ull,         10000000ull,
                                      100000000ull,     1000000000ull,     10000000000ull,     100000000000ull,    1000000000000ull,
                                      10000000000000ull, 100000000000000ull, 1000000000000000ull};
    if (duration_ns <= powers[0]) return 0;
    const uint64_t below = duration_ns - 1; /* edges up to here are passed */
    if (below >= powers[12]) return 1921;
    uint32_t decade = 0;
    while (below >= powers[decade + 1]) decade++;
    const uint32_t hundredths = (uint32_t)(below / (powers[decade] / 100)); /* 100 to 999 */
    uint32_t passed;
    if (hundredths < 200) passed = (hundredths - 100) / 2;
    else if (hundredths < 500) passed = 50 + (hundredths - 200) / 5;
    else passed = 110 + (hundredths - 500) / 10;
    return 160 * decade + passed + 1;
}

/* --- counting, as Builder does */

#define KEEP(call)                     \
    do {                               \
        if (!(call)) return NO_MEMORY; \
    } while (0)

static inline bool add(scanner *s, counts *to, uint32_t t, uint32_t series, uint32_t which, uint64_t n, uint64_t m) {
    row *one = row_of(to, s->seed, t, series, which);
    if (one == NULL) return false;
    one->n += n;
    one->m += m;
    return true;
}

/* The place of Python's series among those of this body; NONE when memory is out. */
static inline uint32_t place_of(scanner *s, uint32_t series) {
    if (s->places[series]) return s->places[series] - 1;
    buffer *known = &s->out.series;
    if (!grow((void **)&known->at, &known->room, known->used + 4, 1)) return NONE;
    put(known, series, 4);
    s->places[series] = (uint32_t)(known->used / 4);
    return s->places[series] - 1;
}

static bool add_exemplar(scanner *s, const exemplar *one) {
    if (!grow((void **)&s->exemplars, &s->exemplars_room, s->exemplars_count + 1, sizeof *one)) return false;
    s->exemplars[s->exemplars_count++] = *one;
    return true;
}

static inline uint32_t minute_of(const exemplar *one) { return (uint32_t)(one->end_ns / MINUTE_NS); }

/* An exemplar, maybe: the first failed or slow one of each minute, series and bin, and the longest of each minute and series. */
static int keep(scanner *s, const span *one, const fate *what, exemplar seen) {
    const uint32_t minute = minute_of(&seen);
    const bool slow = what->flags & FAILED || (what->threshold_ns > 0 && what->threshold_ns < seen.duration_ns);
    if (length_of(one->trace_id) != 16 || length_of(one->span_id) != 8) return DONE;
    seen.trace_id = one->trace_id.at;
    seen.span_id = one->span_id.at;
    if (slow) {
        const size_t before = s->kept.count;
        KEEP(row_of(&s->kept, s->seed, minute, seen.series, seen.bin));
        if (s->kept.count > before) {
            seen.why = what->flags & FAILED ? WHY_FAILED : WHY_OVER_THRESHOLD;
            KEEP(add_exemplar(s, &seen));
        }
    }
    const size_t before = s->slowest.count;
    row *longest = row_of(&s->slowest, s->seed, minute, seen.series, 0);
    KEEP(longest);
    seen.why = WHY_SLOWEST;
    if (s->slowest.count > before) {
        longest->n = s->exemplars_count;
        longest->m = seen.duration_ns;
        KEEP(add_exemplar(s, &seen));
    } else if (seen.duration_ns > longest->m) {
        s->exemplars[longest->n] = seen;
        longest->m = seen.duration_ns;
    }
    return DONE;
}

static inline uint64_t weight_of(const verdict *judged, view span_id) {
    if (!judged->sampled) return 1;
    const size_t length = length_of(span_id) < 4 ? length_of(span_id) : 4;
    uint32_t drawn = 0;
    for (const uint8_t *at = span_id.end - length; at < span_id.end; at++) drawn = drawn << 8 | *at;
    return judged->whole + (drawn < judged->rest);
}

/* The pod of a span has served one that ended then. */
static inline void serve(scanner *s, const span *one) {
    uint8_t *at = s->out.served.at + (one->pod - 1);
    uint64_t times[2];
    memcpy(times, at, sizeof times);
    if (one->end < times[0]) times[0] = one->end;
    if (one->end > times[1]) times[1] = one->end;
    memcpy(at, times, sizeof times);
}

static int count_span(scanner *s, const span *one) {
    const verdict *judged = s->verdicts + one->shape;
    s->out.total++;
    if (judged->fates == 0) {
        if (judged->rejected == NONE) s->out.ignored++;
        else KEEP(add(s, &s->rejected, 0, judged->rejected, 0, 1, 0));
        return DONE;
    }
    bool skew = one->end < s->earliest_end || one->end > s->latest;
    uint64_t begin = one->start;
    if (judged->timed && !skew) {
        if (one->begin_us > UINT64_MAX / 1000) skew = true;
        else if (one->begin_us) begin = one->begin_us * 1000;
        skew = skew || begin < s->earliest_begin || begin > s->latest;
    }
    if (skew) {
        KEEP(add(s, &s->rejected, 0, CLOCK_SKEW, 0, 1, 0));
        return DONE;
    }
    const uint32_t begun = (uint32_t)(begin / BUCKET_NS * 10), t = (uint32_t)(one->end / BUCKET_NS * 10);
    const bool backwards = one->end < one->start;
    const uint64_t lasted = backwards ? 0 : one->end - one->start, duration = lasted < LONGEST_NS ? lasted : LONGEST_NS;
    const uint32_t bin = bin_of(duration);
    const uint64_t n = weight_of(judged, one->span_id);
    for (const fate *what = s->fates + judged->first_fate, *end = what + judged->fates; what < end; what++) {
        const uint32_t series = place_of(s, what->series);
        KEEP(series != NONE);
        if (what->flags & MARKER) {
            KEEP(add(s, &s->flow, begun, series, 0, n, 0));
            return DONE;
        }
        if (what->flags & WHOLE) KEEP(add(s, &s->flow, begun, series, 0, what->flags & STARTED || !one->tells_begin ? n : 0, n));
        if (backwards) {
            KEEP(add(s, &s->skewed, t, series, 0, n, 0));
            continue;
        }
        KEEP(add(s, &s->cells, t, series, bin, n, 0));
        if (judged->sampled) KEEP(add(s, &s->sampled, t, series, 0, n, 1));
        if (what->reason != NONE) KEEP(add(s, &s->reasons, t, series, what->reason, n, 0));
        if (keep(s, one, what, (exemplar){one->end, duration, series, bin, 0, NULL, NULL}) != DONE) return NO_MEMORY;
    }
    if (backwards) {
        s->out.skewed++;
        return DONE;
    }
    for (size_t each = 0; each < judged->overflowed; each++)
        KEEP(add(s, &s->overflowed, 0, s->journeys[judged->first_overflowed + each], 0, 1, 0));
    if (one->pod) serve(s, one);
    return DONE;
}

/* --- the rows, packed */

static bool empty(buffer *some, size_t needed) {
    some->used = 0;
    return grow((void **)&some->at, &some->room, needed + 1, 1);
}

static bool pack(buffer *to, const counts *from, bool by_place, unsigned which_bytes, unsigned numbers) {
    if (!empty(to, from->count * 32)) return false;
    for (const row *one = from->rows, *end = one + from->count; one < end; one++) {
        if (by_place) put(to, one->t, 4);
        put(to, one->series, 4);
        put(to, one->which, which_bytes);
        put(to, one->n, 8);
        if (numbers > 1) put(to, one->m, 8);
    }
    return true;
}

/* First what ended, then what only began: as Builder orders them. */
static bool pack_flow(scanner *s) {
    buffer *to = &s->out.flow;
    if (!empty(to, s->flow.count * 24)) return false;
    for (int began = 0; began <= 1; began++)
        for (const row *one = s->flow.rows, *end = one + s->flow.count; one < end; one++) {
            if ((one->m == 0) != began) continue;
            put(to, one->t, 4);
            put(to, one->series, 4);
            put(to, one->n, 8);
            put(to, one->m, 8);
        }
    return true;
}

static bool is_kept(const scanner *s, const exemplar *one) {
    return find_row(&s->kept, s->seed, minute_of(one), one->series, one->bin) != NULL;
}

/* First the failed and slow ones, then the longest, unless its minute, series and bin has one already. */
static bool pack_exemplars(scanner *s) {
    buffer *to = &s->out.exemplars;
    if (!empty(to, s->exemplars_count * 48)) return false;
    for (int longest = 0; longest <= 1; longest++)
        for (const exemplar *one = s->exemplars, *end = one + s->exemplars_count; one < end; one++) {
            if ((one->why == WHY_SLOWEST) != longest || (longest && is_kept(s, one))) continue;
            put(to, one->end_ns, 8);
            put(to, one->series, 4);
            put(to, one->bin, 2);
            put(to, one->why, 1);
            put(to, one->duration_ns, 8);
            memcpy(to->at + to->used, one->trace_id, 16);
            memcpy(to->at + to->used + 16, one->span_id, 8);
            to->used += 24;
        }
    return true;
}

static int finish(scanner *s) {
    results *out = &s->out;
    KEEP(pack(&out->cells, &s->cells, true, 2, 1));
    KEEP(pack_flow(s));
    KEEP(pack(&out->sampled, &s->sampled, true, 0, 2));
    KEEP(pack(&out->skewed_rows, &s->skewed, true, 0, 1));
    KEEP(pack(&out->reasons, &s->reasons, true, 4, 1));
    KEEP(pack(&out->rejected, &s->rejected, false, 0, 1));
    KEEP(pack(&out->overflowed, &s->overflowed, false, 0, 1));
    KEEP(pack_exemplars(s));
    return DONE;
}

#endif
