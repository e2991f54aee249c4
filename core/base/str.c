#include "core/base/str.h"

#include "core/base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DISTANCE_MAX_LENGTH = 64, NUMBER_MAX_LENGTH = 64 };

static fut_status reserve(fut_str *s, size_t more)
{
    size_t needed = 0;
    FUT_CHECK(!__builtin_add_overflow(s->length, more, &needed) && needed < SIZE_MAX / 2, FUT_ERR_NO_MEMORY, "text of %zu + %zu bytes",
              s->length, more);
    if (needed + 1 <= s->capacity) return FUT_OK;
    size_t capacity = s->capacity < 32 ? 64 : s->capacity * 2;
    if (capacity < needed + 1) capacity = needed + 1;
    void *data = s->data;
    FUT_TRY(fut_mem_grow(&data, s->length, capacity, 1));
    s->data = data;
    s->capacity = capacity;
    return FUT_OK;
}

fut_status fut_str_append(fut_str *s, const char *bytes, size_t length)
{
    FUT_TRY(reserve(s, length));
    if (length > 0) memcpy(s->data + s->length, bytes, length);
    s->length += length;
    s->data[s->length] = '\0';
    return FUT_OK;
}

fut_status fut_str_printf(fut_str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    FUT_CHECK(length >= 0, FUT_ERR_INTERNAL, "cannot format \"%s\"", fmt);
    FUT_TRY(reserve(s, (size_t)length));
    va_start(args, fmt);
    (void)vsnprintf(s->data + s->length, (size_t)length + 1, fmt, args);
    va_end(args);
    s->length += (size_t)length;
    return FUT_OK;
}

void fut_str_fini(fut_str *s)
{
    fut_mem_free(s->data);
    *s = (fut_str){0};
}

const char *fut_str_text(const fut_str *s)
{
    return s->data == NULL ? "" : s->data;
}

fut_status fut_str_append_f64(fut_str *s, double value)
{
    char text[NUMBER_MAX_LENGTH];
    if (isfinite(value) && value == trunc(value) && fabs(value) < 1e15) return fut_str_printf(s, "%.0f", value);
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    /* "1e-05" -> "1e-5", "1e+22" -> "1e22". */
    char *e = strchr(text, 'e');
    if (e != NULL) {
        char *from = e + 1;
        char *to = e + 1;
        if (*from == '-') to++;
        from++;
        while (*from == '0')
            from++;
        memmove(to, from, strlen(from) + 1);
    }
    return fut_str_append(s, text, strlen(text));
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

int fut_str_distance(const char *a, const char *b)
{
    size_t na = strlen(a);
    size_t nb = strlen(b);
    if (na > DISTANCE_MAX_LENGTH || nb > DISTANCE_MAX_LENGTH) {
        size_t longer = na > nb ? na : nb;
        return strcasecmp(a, b) == 0 ? 0 : longer > INT32_MAX ? INT32_MAX : (int)longer;
    }
    /* rows[i % 3][j]: edits between the first i bytes of a and the first j of b. */
    int rows[3][DISTANCE_MAX_LENGTH + 1];
    for (size_t i = 0; i <= na; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i + 2) % 3];
        const int *above_that = rows[(i + 1) % 3];
        for (size_t j = 0; j <= nb; j++) {
            int best = (int)(i + j);
            if (i > 0 && j > 0) {
                best = above[j - 1] + !same_letter(a[i - 1], b[j - 1]);
                if (above[j] + 1 < best) best = above[j] + 1;
                if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            }
            bool swapped = i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]);
            if (swapped && above_that[j - 2] + 1 < best) best = above_that[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[na % 3][nb];
}

const char *fut_str_nearest(const char *word, const char *const *words)
{
    size_t length = strlen(word);
    if (length > DISTANCE_MAX_LENGTH) return NULL;
    int best = length / 3 > 1 ? (int)(length / 3) : 1;
    const char *nearest = NULL;
    for (; *words != NULL; words++) {
        int distance = fut_str_distance(word, *words);
        if (distance < best || (distance == best && nearest == NULL)) {
            best = distance;
            nearest = *words;
        }
    }
    return nearest;
}

/* Length of the decimal number at the start of text: [+-] digits [. digits] [e [+-] digits], 0 if there is none. No hexadecimal, no
 * leading zeros (YAML 1.1 would read 010 as octal), no inf and nan. *whole_out: without fraction and exponent. */
static size_t number_length(const char *text, bool *whole_out)
{
    const char *c = text;
    if (*c == '+' || *c == '-') c++;
    if (c[0] == '0' && isdigit((unsigned char)c[1])) return 0;
    const char *digits = c;
    while (isdigit((unsigned char)*c))
        c++;
    size_t count = (size_t)(c - digits);
    bool whole = true;
    if (*c == '.') {
        whole = false;
        const char *fraction = ++c;
        while (isdigit((unsigned char)*c))
            c++;
        count += (size_t)(c - fraction);
    }
    if (count == 0) return 0;
    if (*c == 'e' || *c == 'E') {
        const char *exponent = c + 1;
        if (*exponent == '+' || *exponent == '-') exponent++;
        if (isdigit((unsigned char)*exponent)) {
            whole = false;
            while (isdigit((unsigned char)*exponent))
                exponent++;
            c = exponent;
        }
    }
    *whole_out = whole;
    return (size_t)(c - text);
}

bool fut_str_to_i64(const char *text, int64_t *value_out)
{
    bool whole = false;
    size_t length = number_length(text, &whole);
    if (length == 0 || !whole || text[length] != '\0') return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0) return false;
    *value_out = value;
    return true;
}

bool fut_str_to_f64(const char *text, double *value_out)
{
    bool whole = false;
    size_t length = number_length(text, &whole);
    if (length == 0 || text[length] != '\0') return false;
    char *end = NULL;
    double value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value)) return false;
    *value_out = value;
    return true;
}

typedef struct unit {
    const char *name;
    double scale;
} unit;

/* "<number>[blanks][unit]". scale_out is 1 without a unit. */
static bool split_quantity(const char *text, const unit *units, char number_out[NUMBER_MAX_LENGTH], bool *whole_out, double *scale_out)
{
    size_t length = number_length(text, whole_out);
    if (length == 0 || length >= NUMBER_MAX_LENGTH) return false;
    memcpy(number_out, text, length);
    number_out[length] = '\0';
    *scale_out = 1;
    if (text[length] == '\0') return true;
    const char *name = text + length;
    while (*name == ' ')
        name++;
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, name) != 0) continue;
        *scale_out = units->scale;
        return true;
    }
    return false;
}

bool fut_str_to_bytes(const char *text, int64_t *bytes_out)
{
    static const unit units[] = {{"B", 1},     {"kB", 1e3},     {"KB", 1e3},        {"MB", 1e6},           {"GB", 1e9},
                                 {"TB", 1e12}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0},
                                 {NULL, 0}};
    char number[NUMBER_MAX_LENGTH];
    bool whole = false;
    double scale = 1;
    if (!split_quantity(text, units, number, &whole, &scale)) return false;
    int64_t bytes = 0;
    if (whole) {
        if (!fut_str_to_i64(number, &bytes) || __builtin_mul_overflow(bytes, (int64_t)scale, &bytes)) return false;
    } else {
        double value = 0;
        if (scale == 1 || !fut_str_to_f64(number, &value) || fabs(value * scale) >= 9e18) return false;
        bytes = (int64_t)llround(value * scale);
    }
    if (bytes < 0) return false;
    *bytes_out = bytes;
    return true;
}

bool fut_str_to_seconds(const char *text, double *seconds_out)
{
    static const unit units[] = {{"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};
    char number[NUMBER_MAX_LENGTH];
    bool whole = false;
    double scale = 1;
    double value = 0;
    if (!split_quantity(text, units, number, &whole, &scale) || !fut_str_to_f64(number, &value)) return false;
    /* Milliseconds are divided, so that "250 ms" is exactly 0.25. */
    value = scale < 1 ? value / 1000 : value * scale;
    if (value < 0 || !isfinite(value)) return false;
    *seconds_out = value;
    return true;
}

size_t fut_str_utf8(const char *bytes, size_t length, uint32_t *code_out)
{
    const unsigned char *b = (const unsigned char *)bytes;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000}; /* an encoding longer than needed is invalid */
    if (length == 0) return 0;
    size_t n = b[0] < 0x80 ? 1 : (b[0] & 0xe0) == 0xc0 ? 2 : (b[0] & 0xf0) == 0xe0 ? 3 : (b[0] & 0xf8) == 0xf0 ? 4 : 0;
    if (n == 0 || n > length) return 0;
    uint32_t code = n == 1 ? b[0] : b[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (b[i] & 0x3fU);
    }
    if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    *code_out = code;
    return n;
}

/* Characters that are legal in JSON but that YAML, HTML or a terminal would take for something else. */
static bool is_invisible(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 || code == 0x2029 || code == 0xfeff || code == 0xfffe ||
           code == 0xffff;
}

fut_status fut_str_append_json(fut_str *s, const char *bytes, size_t length)
{
    FUT_TRY(fut_str_append(s, "\"", 1));
    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        size_t n = fut_str_utf8(bytes + at, length - at, &code);
        if (n == 0) {
            code = (unsigned char)bytes[at];
            FUT_TRY(fut_str_printf(s, "\\u%04x", code));
            n = 1;
        } else if (code == '"' || code == '\\') {
            FUT_TRY(fut_str_printf(s, "\\%c", (char)code));
        } else if (code == '\n' || code == '\t' || code == '\r') {
            FUT_TRY(fut_str_printf(s, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r'));
        } else if (is_invisible(code)) {
            FUT_TRY(fut_str_printf(s, "\\u%04x", code));
        } else {
            FUT_TRY(fut_str_append(s, bytes + at, n));
        }
        at += n;
    }
    return fut_str_append(s, "\"", 1);
}

fut_status fut_str_append_escaped(fut_str *s, const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        size_t n = fut_str_utf8(bytes + at, length - at, &code);
        if (n > 0 && !is_invisible(code)) {
            FUT_TRY(fut_str_append(s, bytes + at, n));
        } else {
            if (n == 0) n = 1;
            for (size_t i = 0; i < n; i++)
                FUT_TRY(fut_str_printf(s, "\\x%02x", (unsigned char)bytes[at + i]));
        }
        at += n;
    }
    return FUT_OK;
}
