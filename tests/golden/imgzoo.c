/* Every file of the image zoo against Pillow (make_imgzoo.py): what is sound is read alike, what is damaged is refused with a reason,
 * and none takes more than a second or 256 MiB. What another program might guess at (recoverable) is listed in imgzoo/recoverable.tsv,
 * with "taken" or the reason; a new libjpeg may word its reason otherwise, but must not decide otherwise. */
#include "core/base/clock.h"
#include "core/base/file.h"
#include "data/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define ZOO FUT_TEST_SOURCE_DIR "/../shared/data/imgzoo/"
#define GOLDEN FUT_TEST_SOURCE_DIR "/tests/golden/imgzoo/"

enum { GRID = 8, SAMPLES = 64, FILE_BYTES_MAX = 1 << 26 };

/* Sanitizers reserve address space of their own, which a limit on it would count. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool limit_memory = false;
static const double seconds_max = 20;
#else
static const bool limit_memory = true;
static const double seconds_max = 1;
#endif

static uint32_t crc32_of(const uint8_t *bytes, int64_t length)
{
    uint32_t crc = 0xffffffff;
    for (int64_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static int64_t span_start(int64_t i, int64_t n)
{
    return i * n / GRID < n - 1 ? i * n / GRID : n - 1;
}

static int64_t span_end(int64_t i, int64_t n)
{
    return (i + 1) * n / GRID > span_start(i, n) ? (i + 1) * n / GRID : span_start(i, n) + 1;
}

static double mean_of(const fut_image *image, int64_t x0, int64_t x1, int64_t y0, int64_t y1, int c)
{
    int64_t sum = 0;
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++)
            sum += image->rgb[3 * (y * image->width + x) + c];
    return (double)sum / (double)((x1 - x0) * (y1 - y0));
}

static int hex_byte(const char *hex, int64_t i)
{
    char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
    return (int)strtol(digits, NULL, 16);
}

/* One line of pillow.tsv, split in place. */
typedef struct golden {
    char *file, *width, *height, *kind, *mean, *crc, *grid, *samples;
} golden;

static bool find_golden(char *table, const char *file, golden *g)
{
    size_t length = strlen(file);
    for (char *line = table; line != NULL && *line != '\0'; line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, file, length) != 0 || line[length] != '\t') continue;
        char *copy = strndup(line, strcspn(line, "\n"));
        char *rest = NULL;
        char **fields[] = {&g->file, &g->width, &g->height, &g->kind, &g->mean, &g->crc, &g->grid, &g->samples};
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            *fields[i] = strtok_r(i == 0 ? copy : NULL, "\t", &rest);
        return true;
    }
    return false;
}

/* The largest difference in levels of the sampled pixels, and of the cells' means. */
static void check_close(const golden *g, const fut_image *image, int *worst_out)
{
    int64_t count = image->width * image->height;
    for (int64_t k = 0; k < SAMPLES; k++)
        for (int c = 0; c < 3; c++) {
            int got = image->rgb[3 * ((k * 2654435761 + 12345) % count) + c];
            int want = hex_byte(g->samples, 3 * k + c);
            if (abs(got - want) > *worst_out) *worst_out = abs(got - want);
            if (abs(got - want) > 2) fail_msg("%s: sample %lld channel %d is %d, Pillow's %d", g->file, (long long)k, c, got, want);
        }
    for (int64_t cell = 0; cell < GRID * GRID; cell++)
        for (int c = 0; c < 3; c++) {
            int64_t i = cell / GRID;
            int64_t j = cell % GRID;
            double got = mean_of(image, span_start(j, image->width), span_end(j, image->width), span_start(i, image->height),
                                 span_end(i, image->height), c);
            int want = hex_byte(g->grid, 3 * cell + c);
            if (got < want - 1.5 || got > want + 1.5)
                fail_msg("%s: cell %lld channel %d is %.2f, Pillow's %d", g->file, (long long)cell, c, got, want);
        }
}

static void check_equals_pillow(const golden *g, const fut_image *image, int *worst_out)
{
    double mean[3];
    assert_int_equal(sscanf(g->mean, "%lf,%lf,%lf", &mean[0], &mean[1], &mean[2]), 3);
    if (atoll(g->width) != image->width || atoll(g->height) != image->height)
        fail_msg("%s: %lld x %lld, Pillow's %s x %s", g->file, (long long)image->width, (long long)image->height, g->width, g->height);
    for (int c = 0; c < 3; c++) {
        double got = mean_of(image, 0, image->width, 0, image->height, c);
        if (got < mean[c] - 0.25 || got > mean[c] + 0.25)
            fail_msg("%s: mean of channel %d is %.3f, Pillow's %.3f", g->file, c, got, mean[c]);
    }
    if (strcmp(g->kind, "close") == 0)
        check_close(g, image, worst_out);
    else if (crc32_of(image->rgb, 3 * image->width * image->height) != (uint32_t)strtoul(g->crc, NULL, 16))
        fail_msg("%s: pixels differ from Pillow's", g->file);
}

static bool is_listed_as_taken(const char *recoverables, const char *file)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s\t", file);
    const char *at = strstr(recoverables, line);
    if (at == NULL) fail_msg("%s is not in recoverable.tsv", file);
    return strncmp(at + strlen(line), "taken\n", 6) == 0;
}

typedef struct tally {
    int files, taken_yes, taken_recoverable, refused;
    int worst_level;
    double worst_seconds;
    char worst_file[256];
} tally;

static void check_file(const char *file, const char *valid, const char *kind, char *goldens, const char *recoverables, tally *t)
{
    char path[1024];
    fut_str bytes = {0};
    fut_image image = {0};
    golden g = {0};
    (void)snprintf(path, sizeof path, ZOO "%s", file);
    assert_int_equal(fut_file_read(path, FILE_BYTES_MAX, &bytes), FUT_OK);
    fut_trail_clear();
    double start = fut_clock_now();
    fut_status st = fut_image_decode((const uint8_t *)bytes.data, bytes.length, NULL, NULL, &image);
    double seconds = fut_clock_now() - start;
    if (seconds > t->worst_seconds) {
        t->worst_seconds = seconds;
        (void)snprintf(t->worst_file, sizeof t->worst_file, "%s", file);
    }
    if (seconds > seconds_max) fail_msg("%s: takes %.2f s", file, seconds);
    t->files++;
    if (strcmp(valid, "recoverable") == 0) assert_int_equal(st == FUT_OK, is_listed_as_taken(recoverables, file));

    if (st == FUT_OK) {
        bool known = find_golden(goldens, file, &g);
        if (strcmp(valid, "yes") != 0 && strcmp(valid, "recoverable") != 0) fail_msg("%s: %s, yet it was taken", file, valid);
        if (known) check_equals_pillow(&g, &image, &t->worst_level);
        free(g.file);
        t->taken_yes += strcmp(valid, "yes") == 0;
        t->taken_recoverable += strcmp(valid, "recoverable") == 0;
        if (!known) fail_msg("%s: taken, though Pillow refuses it", file);
    } else {
        if (st != FUT_ERR_DATA) fail_msg("%s: %s: %s", file, fut_status_text(st), fut_trail_message());
        if (strcmp(valid, "yes") == 0) fail_msg("%s: sound, yet refused: %s", file, fut_trail_message());
        if (strcmp(valid, "yes-exotic") == 0)
            assert_non_null(strstr(fut_trail_message(), strstr(kind, "lossless") ? "lossless JPEG" : "12-bit JPEG"));
        assert_true(strlen(fut_trail_message()) > 0);
        t->refused++;
    }
    if (strcmp(valid, "yes") != 0) print_message("%-12s %-60s %s\n", valid, file, st == FUT_OK ? "taken" : fut_trail_message());
    fut_trail_clear();
    fut_image_fini(&image);
    fut_str_fini(&bytes);
}

static void allow_256_mib_more(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld", &pages), 1);
    (void)fclose(f);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = (rlim_t)pages * 4096 + ((rlim_t)256 << 20);
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

static void test_zoo(void **state)
{
    (void)state;
    fut_str manifest = {0};
    fut_str goldens = {0};
    fut_str recoverables = {0};
    tally t = {0};
    assert_int_equal(fut_file_read(ZOO "MANIFEST.tsv", 1 << 22, &manifest), FUT_OK);
    assert_int_equal(fut_file_read(GOLDEN "pillow.tsv", 1 << 22, &goldens), FUT_OK);
    assert_int_equal(fut_file_read(GOLDEN "recoverable.tsv", 1 << 20, &recoverables), FUT_OK);
    if (limit_memory) allow_256_mib_more();
    char *rest = NULL;
    strtok_r(manifest.data, "\n", &rest); /* the names of the columns */
    for (char *line = strtok_r(NULL, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *fields = NULL;
        const char *file = strtok_r(line, "\t", &fields);
        const char *kind = strtok_r(NULL, "\t", &fields);
        const char *valid = strtok_r(NULL, "\t", &fields);
        check_file(file, valid, kind, goldens.data, recoverables.data, &t);
    }
    print_message(
        "%d files: %d sound ones taken, %d recoverable ones taken, %d refused; slowest %s %.3f s; JPEG within %d levels of Pillow\n",
        t.files, t.taken_yes, t.taken_recoverable, t.refused, t.worst_file, t.worst_seconds, t.worst_level);
    assert_int_equal(t.taken_yes, 299);
    fut_str_fini(&manifest);
    fut_str_fini(&goldens);
    fut_str_fini(&recoverables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_zoo)};
    if (!fut_file_exists(ZOO "MANIFEST.tsv")) {
        print_message("skipped: the image zoo is not at " ZOO "\n");
        return 77; /* ctest counts it */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
