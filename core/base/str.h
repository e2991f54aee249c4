/* A growable byte string, and small text helpers. */
#ifndef FUT_CORE_BASE_STR_H
#define FUT_CORE_BASE_STR_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* {0} is an empty string. `data` is NUL-terminated once something was appended; it may hold NULs. Owns its bytes. */
typedef struct fut_str {
    char *data;
    size_t length;
    size_t capacity;
} fut_str;

fut_status fut_str_append(fut_str *s, const char *bytes, size_t length) FUT_MUST_CHECK;
fut_status fut_str_printf(fut_str *s, const char *fmt, ...) FUT_MUST_CHECK FUT_PRINTF(2, 3);
void fut_str_fini(fut_str *s);
/* The text, never NULL. Borrowed until the next append. */
const char *fut_str_text(const fut_str *s);

/* Levenshtein distance, case-insensitive. */
int fut_str_distance(const char *a, const char *b);
/* The word of the NULL-terminated list nearest to `word`, or NULL if none is close (distance <= max(1, length/3)). Borrowed from the list.
 */
const char *fut_str_nearest(const char *word, const char *const *words);
/* Strict number parsing: whole text, no leading or trailing blanks, finite. Errors: false. */
bool fut_str_to_i64(const char *text, int64_t *value_out);
bool fut_str_to_f64(const char *text, double *value_out);
/* "64 MiB" | "10kB" | "512" -> bytes; "5 min" | "30s" | "250 ms" | "2h" -> seconds. */
bool fut_str_to_bytes(const char *text, int64_t *bytes_out);
bool fut_str_to_seconds(const char *text, double *seconds_out);
/* Append `bytes` as a JSON string with quotes; invalid UTF-8 bytes become \u00XX of the byte (stated in docs). */
fut_status fut_str_append_json(fut_str *s, const char *bytes, size_t length) FUT_MUST_CHECK;
/* Append `bytes` for display in text: control characters and invalid UTF-8 as \xNN. */
fut_status fut_str_append_escaped(fut_str *s, const char *bytes, size_t length) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
