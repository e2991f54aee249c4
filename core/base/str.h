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
/* The shortest decimal text that reads back to the same double: "0.1", "1e-5", "50". "nan" and "inf" where it is not finite. */
fut_status fut_str_append_f64(fut_str *s, double value) FUT_MUST_CHECK;
void fut_str_fini(fut_str *s);
/* The text, never NULL. Borrowed until the next append. */
const char *fut_str_text(const fut_str *s);

/* Edits that turn a into b: a byte more, less or other, or two neighbours swapped (optimal string alignment); ASCII case ignored.
 * Above 64 bytes only equality is told: 0, or the longer length. */
int fut_str_distance(const char *a, const char *b);
/* The word of the NULL-terminated list nearest to `word`, or NULL if none is close (distance <= max(1, length of word / 3)); the first
 * of equals. Borrowed from the list. */
const char *fut_str_nearest(const char *word, const char *const *words);
/* Strict number parsing: the whole text, decimal, no blanks, no leading zeros, finite: 1e-4 is a number; 010, 0x10, .inf, 1_000 are
 * not. Errors: false, *value_out untouched. */
bool fut_str_to_i64(const char *text, int64_t *value_out);
bool fut_str_to_f64(const char *text, double *value_out);
/* "64 MiB" | "10kB" | "512" -> bytes: B, kB MB GB TB (1000), KiB MiB GiB TiB (1024); a fraction needs a unit and is rounded.
 * "5 min" | "30s" | "250 ms" | "2h" | "1.5" -> seconds: ms s min h d. Negative or other text: false. */
bool fut_str_to_bytes(const char *text, int64_t *bytes_out);
bool fut_str_to_seconds(const char *text, double *seconds_out);
/* Length in bytes of the UTF-8 character at `bytes` (1..4) and its code, or 0 if those bytes are not UTF-8 (surrogates, overlong forms,
 * a cut character) or length is 0. */
size_t fut_str_utf8(const char *bytes, size_t length, uint32_t *code_out);
/* Append `bytes` as a JSON string with quotes, also a YAML double-quoted scalar. Invisible characters are escaped; each byte that is not
 * UTF-8 becomes \u00XX of the byte, so such bytes cannot be told from the character U+00XX. */
fut_status fut_str_append_json(fut_str *s, const char *bytes, size_t length) FUT_MUST_CHECK;
/* Append `bytes` for display in text: bytes of control characters and of invalid UTF-8 as \xNN. */
fut_status fut_str_append_escaped(fut_str *s, const char *bytes, size_t length) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
