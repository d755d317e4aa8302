/* What a scanner is: what it remembers from one body to the next, and the body at hand. */
#ifndef MAIBO_SCANNER_H
#define MAIBO_SCANNER_H

#include "tables.h"
#include "wire.h"

#ifndef CHUNK /* tests make them small, to meet them often */
#define CHUNK 1024
#define TEXTS_LIMIT 60000
#define SHAPES_LIMIT 20000
#define BYTES_LIMIT (8u << 20)
#endif
#define PODS_LIMIT 1000 /* of one body; Builder has the same */

enum { DONE = 0, NEW_SHAPES = 1, FULL = 2, MALFORMED = -1, NO_MEMORY = -2 };
enum { NAMESPACE, POD, SERVICE, IDENTITY }; /* what says which pod a resource is */
enum { WHOLE = 1, MARKER = 2, STARTED = 4, FAILED = 8 };
enum { WHY_FAILED, WHY_OVER_THRESHOLD, WHY_SLOWEST };

typedef struct {
    view *keys;
    uint32_t count, mask;
    uint32_t *index; /* number of key + 1 */
} keyset;

/* The value of an attribute that matters. */
typedef struct {
    view raw;
    uint32_t text; /* when it is interned already, else NONE */
} value;

typedef struct {
    view trace_id, span_id;
    uint64_t start, end, begin_us; /* begin_us: 0 when it tells none that can be used */
    uint32_t shape, pod; /* pod: where `results.served` has it, + 1; 0: it is of none that is known */
    bool tells_begin;
} span;

typedef struct {
    uint32_t series, reason, flags; /* reason: NONE for none */
    uint64_t threshold_ns;
} fate;

typedef struct {
    uint64_t whole, rest;
    size_t first_fate, first_overflowed;
    size_t fates, overflowed;
    uint32_t rejected; /* NONE when it is not */
    bool timed, sampled;
} verdict;

typedef struct {
    uint64_t end_ns, duration_ns;
    uint32_t series, bin, why;
    const uint8_t *trace_id, *span_id; /* 16 and 8 bytes */
} exemplar;

/* What Python reads; it has the same as a ctypes structure. */
typedef struct {
    uint8_t *at;
    size_t used, room;
} buffer;

static inline void put(buffer *to, uint64_t number, unsigned bytes) {
    for (unsigned each = 0; each < bytes; each++) to->at[to->used++] = (uint8_t)(number >> 8 * each);
}

/* What Python reads; it has the same as a ctypes structure. Numbers of series, reasons and journeys are those that Python gave. */
typedef struct {
    uint64_t judged, shapes; /* shapes from `judged` to `shapes` wait for their verdicts */
    uint64_t total, ignored, skewed;
    buffer series;                            /* u32 each, in the order of their first count; rows tell a place here */
    buffer cells, flow, sampled, skewed_rows; /* rows as maibo_collectors.otlp.decoding.tally has them */
    buffer reasons;                           /* t u32, series u32, reason u32, n u64 */
    buffer exemplars;                         /* as cells are */
    buffer rejected, overflowed;              /* reason or journey u32, n u64 */
    buffer served;                            /* by resource that names a pod: see find_pod */
} results;

typedef struct scanner {
    uint64_t seed;
    keyset resource_keys, span_keys; /* the last of span_keys is journey.start_time, which makes no shape */
    bool with_name;
    uint32_t shape_keys; /* the first of resource_keys: the others make no shape */
    uint32_t identity[IDENTITY];

    interner texts, shapes;
    verdict *verdicts; /* of shapes */
    fate *fates;
    uint32_t *journeys; /* overflowed ones */
    size_t verdicts_room, fates_count, fates_room, journeys_count, journeys_room;

    view request, group, scope; /* what is left of each */
    view whole_group;
    uint32_t resource; /* NONE: to be read */
    uint32_t pod, pods;       /* of the group, as `span` has it; how many `results.served` has */
    const uint8_t *pod_group; /* the group that its last one is of */
    value *values;     /* of the span at hand */
    uint32_t *key;     /* of its shape */
    uint64_t begin_us;
    bool tells_begin;
    buffer joined;
    span *spans;
    size_t span_count;
    bool ended; /* the body was scanned to its end */

    uint64_t earliest_end, latest, earliest_begin;
    counts cells, flow, sampled, skewed, reasons, rejected, overflowed;
    counts kept, slowest; /* n: a place in `exemplars`; of slowest, m: the longest so far */
    exemplar *exemplars;
    size_t exemplars_count, exemplars_room;
    uint32_t *places; /* of Python's series in `out.series`, + 1 */
    size_t places_count;
    results out;
} scanner;

#endif
