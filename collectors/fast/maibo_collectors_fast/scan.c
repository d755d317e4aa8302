/* The compiled scanner: from an ExportTraceServiceRequest to the rows of a Tally.

   What it does is told at `Classifier` and `Builder` of maibo_collectors.otlp, whose counts it repeats exactly. It finds each span's
   shape, asks Python once about every shape it has not met, and does alone what has to be done for each span.

   One body: scan_begin, then scan_step until it says DONE. On the way it may say
     NEW_SHAPES: scan_shape and scan_text tell what the shapes from `judged` on are; hand their verdicts over with scan_judge;
     FULL:       what is remembered has grown too large; scan_forget, and step on.
   After DONE, `results` points at the rows; they stay until the next scan_begin. A scanner is used by one thread at a time.

   Spans are taken in chunks, so that memory is bounded by the tables and the body's own counts, whatever the body holds. */
#include "rows.h"
#include "scanner.h"
#include "shapes.h"
#include "valid.h"

#define API __attribute__((visibility("default")))
#define ABI 4

API uint32_t scan_abi(void) { return ABI; }

/* Yes, or: ask upb. */
API bool scan_valid(const uint8_t *body, size_t length) { return is_valid((view){body, body + length}, REQUEST, 0); }

API uint32_t scan_bin_of(uint64_t duration_ns) { return bin_of(duration_ns); }

enum { TABLES = 9, BUFFERS = 11 };

static void tables_of(scanner *s, counts *out[TABLES]) {
    counts *tables[] = {&s->cells,    &s->flow,       &s->sampled, &s->skewed, &s->reasons,
                        &s->rejected, &s->overflowed, &s->kept,    &s->slowest};
    memcpy(out, tables, sizeof tables);
}

static void buffers_of(scanner *s, buffer *out[BUFFERS]) {
    results *rows = &s->out;
    buffer *buffers[] = {&s->joined,         &rows->series,  &rows->cells,     &rows->flow,     &rows->sampled,
                         &rows->skewed_rows, &rows->reasons, &rows->exemplars, &rows->rejected, &rows->overflowed,
                         &rows->served};
    memcpy(out, buffers, sizeof buffers);
}

API void scan_free(scanner *s) {
    if (s == NULL) return;
    keyset_free(&s->resource_keys);
    keyset_free(&s->span_keys);
    interner_free(&s->texts);
    interner_free(&s->shapes);
    counts *tables[TABLES];
    tables_of(s, tables);
    for (size_t each = 0; each < TABLES; each++) counts_free(tables[each]);
    buffer *buffers[BUFFERS];
    buffers_of(s, buffers);
    for (size_t each = 0; each < BUFFERS; each++) free(buffers[each]->at);
    free(s->verdicts);
    free(s->fates);
    free(s->journeys);
    free(s->values);
    free(s->key);
    free(s->spans);
    free(s->exemplars);
    free(s->places);
    free(s);
}

/* Keys: first those of resources, of which `shape_count` make shapes, then those of spans, the last of which is journey.start_time. `identity`:
   which of the first are a pod's namespace, its name and its service. NULL when memory is out. */
API scanner *scan_new(uint64_t seed, const uint8_t *const *keys, const size_t *lengths, size_t resource_count, size_t shape_count,
                      const uint32_t *identity, size_t span_count, bool with_name) {
    scanner *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->seed = seed;
    s->with_name = with_name;
    s->shape_keys = (uint32_t)shape_count;
    memcpy(s->identity, identity, sizeof s->identity);
    const size_t most = KEY_VALUES + resource_count + span_count;
    s->values = calloc(most, sizeof *s->values);
    s->key = calloc(most, sizeof *s->key);
    s->spans = calloc(CHUNK, sizeof *s->spans);
    if (s->values == NULL || s->key == NULL || s->spans == NULL || span_count == 0 ||
        !keyset_make(&s->resource_keys, keys, lengths, resource_count) ||
        !keyset_make(&s->span_keys, keys + resource_count, lengths + resource_count, span_count)) {
        scan_free(s);
        return NULL;
    }
    return s;
}

/* Shapes, texts and verdicts are void; what was counted of the body at hand stays. */
API void scan_forget(scanner *s) {
    interner *interners[] = {&s->texts, &s->shapes};
    for (size_t each = 0; each < 2; each++) {
        if (interners[each]->room > 2 * BYTES_LIMIT) interner_free(interners[each]);
        slots_clear(&interners[each]->index);
        interners[each]->used = interners[each]->count = 0;
    }
    s->fates_count = s->journeys_count = 0;
    s->out.judged = s->out.shapes = 0;
    s->resource = NONE;
}

/* Nothing is counted yet, and what one large body took is given back. */
static void clear(scanner *s) {
    for (size_t each = 0; each < s->out.series.used; each += 4) {
        const uint8_t *at = s->out.series.at + each;
        s->places[at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24] = 0;
    }
    counts *tables[TABLES];
    tables_of(s, tables);
    for (size_t each = 0; each < TABLES; each++) counts_clear(tables[each]);
    buffer *buffers[BUFFERS];
    buffers_of(s, buffers);
    for (size_t each = 0; each < BUFFERS; each++) {
        buffers[each]->used = 0;
        if (buffers[each]->room <= 1 << 20) continue;
        free(buffers[each]->at);
        *buffers[each] = (buffer){0};
    }
    s->exemplars_count = 0;
    if (s->exemplars_room > 1 << 14) {
        free(s->exemplars);
        s->exemplars = NULL;
        s->exemplars_room = 0;
    }
    s->out.total = s->out.ignored = s->out.skewed = 0;
}

API const results *scan_begin(scanner *s, const uint8_t *body, size_t length, uint64_t earliest_end, uint64_t latest,
                              uint64_t earliest_begin) {
    clear(s);
    s->request = (view){body, body + length};
    s->group = s->scope = s->whole_group = (view){body, body};
    s->resource = NONE;
    s->pod = s->pods = 0;
    s->pod_group = NULL;
    s->span_count = 0;
    s->ended = false;
    s->earliest_end = earliest_end;
    s->latest = latest;
    s->earliest_begin = earliest_begin;
    return &s->out;
}

API int scan_step(scanner *s) {
    while (true) {
        if (s->out.judged < s->out.shapes) return NEW_SHAPES;
        for (size_t each = 0; each < s->span_count; each++) {
            const int counted = count_span(s, s->spans + each);
            if (counted != DONE) return counted;
        }
        s->span_count = 0;
        if (s->ended) return finish(s);
        if (tables_full(s)) return FULL;
        const int scanned = scan_chunk(s);
        s->out.shapes = s->shapes.count;
        if (scanned != DONE) return scanned;
    }
}

/* The numbers that make a shape: see KEY_RESOURCE and what follows it. */
API const uint8_t *scan_shape(const scanner *s, size_t shape) { return s->shapes.bytes + s->shapes.texts[shape].offset; }

API const uint8_t *scan_text(const scanner *s, size_t number, size_t *length) {
    *length = s->texts.texts[number].length;
    return s->texts.bytes + s->texts.texts[number].offset;
}

/* Verdicts of the shapes from `judged` on, `shapes` of them, `series_count` being the series that Python has given numbers to. Each is
   rejected (2^32-1: not), timed, sampled, whole, rest, fates, overflowed; series, flags, reason, threshold_ns of each fate; journeys. */
API int scan_judge(scanner *s, const uint64_t *numbers, size_t count, size_t shapes, size_t series_count) {
    const uint64_t *const end = numbers + count;
    const size_t before = s->places_count;
    KEEP(grow((void **)&s->places, &s->places_count, series_count, sizeof *s->places));
    if (s->places_count > before) memset(s->places + before, 0, (s->places_count - before) * sizeof *s->places);
    KEEP(grow((void **)&s->verdicts, &s->verdicts_room, s->shapes.count, sizeof *s->verdicts));
    for (; shapes > 0 && s->out.judged < s->out.shapes; shapes--) {
        if (end - numbers < 7) return MALFORMED;
        const uint64_t fates = numbers[5], overflowed = numbers[6];
        verdict *one = s->verdicts + s->out.judged;
        *one = (verdict){.rejected = (uint32_t)numbers[0], .timed = numbers[1], .sampled = numbers[2], .whole = numbers[3],
                         .rest = numbers[4],               .fates = fates,      .overflowed = overflowed,
                         .first_fate = s->fates_count,     .first_overflowed = s->journeys_count};
        numbers += 7;
        if ((size_t)(end - numbers) / 4 < fates || (size_t)(end - numbers) - 4 * fates < overflowed) return MALFORMED;
        KEEP(grow((void **)&s->fates, &s->fates_room, s->fates_count + fates, sizeof *s->fates));
        for (size_t each = 0; each < fates; each++, numbers += 4) {
            if (numbers[0] >= s->places_count) return MALFORMED;
            s->fates[s->fates_count++] = (fate){(uint32_t)numbers[0], (uint32_t)numbers[2], (uint32_t)numbers[1], numbers[3]};
        }
        KEEP(grow((void **)&s->journeys, &s->journeys_room, s->journeys_count + overflowed, sizeof *s->journeys));
        for (size_t each = 0; each < overflowed; each++) s->journeys[s->journeys_count++] = (uint32_t)*numbers++;
        s->out.judged++;
    }
    return DONE;
}
