/* What tests share: checks that print the error trail, folders that vanish, comparisons that say where, small data sets.
 * Includes cmocka and what it needs, so that a test includes this header alone. A failed check ends the test. */
#ifndef FUT_TESTS_SUPPORT_SUPPORT_H
#define FUT_TESTS_SUPPORT_SUPPORT_H

#include "core/base/opt.h"
#include "core/base/status.h"
#include "data/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The expression gives FUT_OK; the trail is printed where it does not. */
#define FUT_TEST_OK(expr) fut_test_ok((expr), #expr, __FILE__, __LINE__)
/* The expression fails with `status` and its message holds `text`; the trail is cleared. */
#define FUT_TEST_FAILS(expr, status, text) fut_test_fails((expr), (status), (text), #expr, __FILE__, __LINE__)
void fut_test_ok(fut_status st, const char *expr, const char *file, int line);
void fut_test_fails(fut_status st, fut_status want, const char *text, const char *expr, const char *file, int line);

/* |got - want| <= atol + rtol |want| for all n values, and no NaN on one side only; else the first place that differs is printed with both
 * values, how many differ, and the largest difference. */
#define FUT_TEST_CLOSE_F32(got, want, n, rtol, atol) fut_test_close_f32((got), (want), (n), (rtol), (atol), #got, __FILE__, __LINE__)
#define FUT_TEST_CLOSE_F64(got, want, n, rtol, atol) fut_test_close_f64((got), (want), (n), (rtol), (atol), #got, __FILE__, __LINE__)
/* Bytes within `tolerance` levels of each other. */
#define FUT_TEST_CLOSE_U8(got, want, n, tolerance) fut_test_close_u8((got), (want), (n), (tolerance), #got, __FILE__, __LINE__)
void fut_test_close_f32(const float *got, const float *want, int64_t n, double rtol, double atol, const char *what, const char *file,
                        int line);
void fut_test_close_f64(const double *got, const double *want, int64_t n, double rtol, double atol, const char *what, const char *file,
                        int line);
void fut_test_close_u8(const uint8_t *got, const uint8_t *want, int64_t n, int tolerance, const char *what, const char *file, int line);

/* The backend a test runs on: $FUT_TEST_BACKEND, else `otherwise`. A program that calls this runs again on cuda (tests/CMakeLists.txt). */
const char *fut_test_backend(const char *otherwise);

/* A fresh folder under $TMPDIR or /tmp. */
typedef struct fut_test_dir {
    char path[512];
} fut_test_dir;
void fut_test_dir_create(fut_test_dir *dir);
/* Removes the folder and everything in it; safe on {0}. */
void fut_test_dir_remove(fut_test_dir *dir);
/* "<folder>/<name>" into path_out [1024]; returns path_out. */
enum { FUT_TEST_PATH_MAX = 1024 };
const char *fut_test_dir_path(const fut_test_dir *dir, const char *name, char *path_out);

void fut_test_write_file(const char *path, const void *bytes, size_t length);
/* Invert every bit of the byte at `offset`; counted from the end where negative. */
void fut_test_damage_file(const char *path, int64_t offset);

/* Procedural faces (data/synth.h, seed 0) as a folder `path`. */
void fut_test_make_faces(const char *path, int64_t people, int64_t images, int64_t size);
/* The same packed, raw, into the file `path`, with an identity split .8 / .1 / .1 (people >= 3); the folder beside it is removed. */
void fut_test_make_dataset(const char *path, int64_t people, int64_t images, int64_t size);

/* A list of augmentations as `data.augment: TEXT` gives it; release with fut_test_free_augments. */
void fut_test_make_augments(const char *text, fut_opt_variants *list_out);
void fut_test_free_augments(fut_opt_variants *list);

#endif
