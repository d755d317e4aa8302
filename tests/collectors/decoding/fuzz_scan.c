/* Feeds the scanner what it reads from its standard input: u32 length and bytes, again and again; prints how many there were.

   Built with sanitizers, so that a single byte read beyond a body ends it. Every body lies in memory of its own, exactly as long as it
   is. Verdicts are made of a shape's number: all kinds of fates, the same for the same shape. The first argument is the chance (one
   in so many; 0: never) that memory is out when it is asked for. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t odds, state = 1;

static int out_of_memory(void) {
    state = state * 1664525 + 1013904223;
    return odds && (state >> 8) % odds == 0;
}

static void *scarce_malloc(size_t size) { return out_of_memory() ? NULL : malloc(size); }
static void *scarce_calloc(size_t count, size_t size) { return out_of_memory() ? NULL : calloc(count, size); }
static void *scarce_realloc(void *old, size_t size) { return out_of_memory() ? NULL : realloc(old, size); }

#define malloc scarce_malloc
#define calloc scarce_calloc
#define realloc scarce_realloc
#include "scan.c"
#undef malloc
#undef calloc
#undef realloc

static const char *const KEYS[] = {"service.name",  "service.version", "k8s.namespace.name", "k8s.pod.name", "journey.name", "journey.step",
                                   "journey.tier",  "journey.variant", "journey.outcome", "journey.started",
                                   "http.route",    "error.type",      "journey.start_time"};
enum { COUNT = sizeof KEYS / sizeof *KEYS, OF_RESOURCES = 4, SHAPE_KEYS = 2 };
static const uint32_t IDENTITY_AT[] = {2, 3, 0};

static int judge(scanner *s, const results *found) {
    uint64_t numbers[64];
    for (size_t shape = found->judged; shape < found->shapes; shape++) {
        const uint32_t *key = (const uint32_t *)(const void *)scan_shape(s, shape);
        size_t length, told = 7;
        for (size_t each = KEY_VALUES; each < KEY_VALUES + COUNT - OF_RESOURCES - 1; each++)
            if (key[each] != NONE) {
                const uint8_t *text = scan_text(s, key[each], &length);
                if (length > 0) state += *text; /* an empty one may begin where the texts' memory ends */
            }
        const uint64_t fates = shape % 4, overflowed = shape % 3;
        const uint64_t head[] = {shape % 5 ? NONE : shape % 7, shape % 2, shape % 11 == 0, 1 + shape % 13, (uint64_t)1 << shape % 33, fates, overflowed};
        memcpy(numbers, head, sizeof head);
        for (size_t each = 0; each < fates; each++) {
            const uint64_t fate[] = {shape % 100 + each, (shape + each) % 16, shape % 6 ? NONE : each, shape % 3 * 1000000};
            memcpy(numbers + told, fate, sizeof fate);
            told += 4;
        }
        for (size_t each = 0; each < overflowed; each++) numbers[told++] = each;
        uint64_t *exact = malloc(told * sizeof *exact);
        if (exact == NULL) exit(3);
        memcpy(exact, numbers, told * sizeof *exact);
        const int judged = scan_judge(s, exact, told, 1, 104);
        if (scan_judge(s, exact, told - 1, 1, 104) == DONE && judged == DONE && found->judged < found->shapes) exit(4);
        free(exact);
        if (judged != DONE) return judged;
    }
    return DONE;
}

static void scan(scanner *s, const uint8_t *body, size_t length) {
    const uint64_t now = 1800000005000000000u, day = 86400000000000u;
    const results *found = scan_begin(s, body, length, now - day, now + day, now - 35 * day);
    int step;
    while ((step = scan_step(s)) == NEW_SHAPES || step == FULL) {
        if (step == FULL) scan_forget(s);
        else if (judge(s, found) != DONE) break;
    }
    const buffer *rows[] = {&found->cells, &found->flow, &found->exemplars, &found->reasons, &found->series, &found->served};
    for (size_t each = 0; step == DONE && each < 6; each++)
        if (rows[each]->used) state += rows[each]->at[rows[each]->used - 1];
}

static scanner *fresh(void) {
    const uint8_t *keys[COUNT];
    size_t lengths[COUNT];
    for (size_t each = 0; each < COUNT; each++) keys[each] = (const uint8_t *)KEYS[each], lengths[each] = strlen(KEYS[each]);
    scanner *s;
    do s = scan_new(0x1234567890abcdef, keys, lengths, OF_RESOURCES, SHAPE_KEYS, IDENTITY_AT, COUNT - OF_RESOURCES, true);
    while (s == NULL);
    return s;
}

int main(int count, char **arguments) {
    odds = count > 1 ? (uint32_t)atoi(arguments[1]) : 0;
    scanner *s = fresh();
    uint8_t head[4];
    unsigned long bodies = 0;
    while (fread(head, 1, 4, stdin) == 4) {
        const size_t length = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        uint8_t *body = malloc(length ? length : 1);
        if (body == NULL || fread(body, 1, length, stdin) != length) return 2;
        state += scan_valid(body, length);
        scan(s, body, length);
        free(body);
        if (++bodies % 500 == 0) {
            scan_free(s);
            s = fresh();
        }
    }
    scan_free(s);
    printf("%lu\n", bodies);
    return 0;
}
