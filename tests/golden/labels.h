/* The label sets and the hash of tests/golden/labels.py, and the reading of goldens. */
#ifndef FUT_TESTS_GOLDEN_LABELS_H
#define FUT_TESTS_GOLDEN_LABELS_H

#include "tests/support/support.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A file of goldens, "sampler/cases.txt". */
static FILE *open_golden(const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, FUT_TEST_SOURCE_DIR "/tests/golden/%s", name);
    FILE *file = fopen(path, "r");
    if (file == NULL) fail_msg("%s is missing", path);
    return file;
}

/* The next line that is no comment. */
static bool next_case(FILE *file, char *line, int line_bytes)
{
    while (fgets(line, line_bytes, file) != NULL)
        if (line[0] != '#') return true;
    return false;
}

static int32_t lcg_below(uint64_t *state, int32_t n)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (int32_t)((*state >> 33) % (uint64_t)n);
}

static void draw_labels(uint64_t seed, int64_t n, int32_t classes, int skew, int32_t *labels_out)
{
    for (int64_t i = 0; i < n; i++) {
        labels_out[i] = classes;
        for (int draw = 0; draw <= skew; draw++) {
            int32_t label = lcg_below(&seed, classes);
            if (label < labels_out[i]) labels_out[i] = label;
        }
    }
}

static uint64_t fnv(const int64_t *values, int64_t n, uint64_t hash)
{
    for (int64_t i = 0; i < n; i++)
        for (int byte = 0; byte < 4; byte++)
            hash = (hash ^ (((uint64_t)values[i] >> (8 * byte)) & 0xff)) * 0x100000001b3U;
    return hash;
}

#define FNV_START 0xcbf29ce484222325U

#endif
