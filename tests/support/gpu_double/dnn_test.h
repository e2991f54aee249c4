/* What the tests of the cuDNN and the cuBLASLt double share. Includes cmocka. */
#ifndef GPU_DOUBLE_DNN_TEST_H
#define GPU_DOUBLE_DNN_TEST_H

#include "dnn_math.h"
#include "gpu_double.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what is expected of a call ---- */

/* The call gives this status; report is a part of the double's report, NULL where it reports nothing. */
static inline void expect(long got, long want, int before, const char *report, const char *call, int line)
{
    const int reports = gpu_double_reports() - before;
    if (got != want || (report == NULL) != (reports == 0) || (report && !strstr(gpu_double_last_report(), report))) {
        print_error("line %d: %s gave %ld, want %ld; %d reports, the last '%s', want '%s'\n", line, call, got, want, reports,
                    gpu_double_last_report(), report ? report : "none");
        fail();
    }
}
#define EXPECT(call, status, report)                                                                                                       \
    do {                                                                                                                                   \
        const int reports_before = gpu_double_reports();                                                                                   \
        const long status_given = (long)(call);                                                                                            \
        expect(status_given, (long)(status), reports_before, (report), #call, __LINE__);                                                   \
    } while (0)
#define OK(call) EXPECT(call, 0, NULL)

/* Runs this program again, with one argument: what it prints at its end holds text, and its exit status is 99. */
static inline void expect_leak(const char *argument, const char *text)
{
    char line[512], command[1024], seen = 0;
    const ssize_t length = readlink("/proc/self/exe", line, sizeof(line) - 1);
    assert_true(length > 0);
    line[length] = '\0';
    snprintf(command, sizeof(command), "GPU_DOUBLE_LEAKS=2 '%s' %s 2>&1", line, argument);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    while (fgets(line, sizeof(line), output))
        seen |= strstr(line, text) != NULL;
    const int status = pclose(output);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 99);
    assert_true(seen);
}

/* ---- device memory ---- */

static inline void *device_alloc(size_t bytes)
{
    void *memory = NULL;
    assert_int_equal(cudaMalloc(&memory, bytes), cudaSuccess);
    return memory;
}

static inline void upload(cudaStream_t stream, void *device, const void *host, size_t bytes)
{
    assert_int_equal(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
}

static inline void download(cudaStream_t stream, void *host, const void *device, size_t bytes)
{
    assert_int_equal(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
}

static inline float pseudo_random(uint64_t i)
{
    uint64_t x = i * 0x9E3779B97F4A7C15u + 1;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    return (float)(x >> 40) / (float)(1 << 23) - 1;
}

/* _Float16 is not everywhere: the two 16-bit types by their definition; what would be subnormal is 0. */
static inline uint16_t to_half(float value, bool bf16)
{
    int exponent;
    const double fraction = frexp(fabs((double)value), &exponent); /* [0.5, 1) */
    const int bits = bf16 ? 7 : 10, bias = bf16 ? 127 : 15;
    if (value == 0 || exponent + bias < 2) return 0;
    const long mantissa = lrint(ldexp(fraction, bits + 1)); /* with the leading one; ties to even */
    return (uint16_t)((signbit(value) ? 0x8000 : 0) + ((exponent - 1 + bias - 1) << bits) + mantissa);
}

static inline float from_half(uint16_t half, bool bf16)
{
    const int bits = bf16 ? 7 : 10, bias = bf16 ? 127 : 15;
    const int exponent = (half & 0x7FFF) >> bits, mantissa = half & ((1 << bits) - 1);
    const double value = exponent == 0 ? 0 : ldexp(1 + ldexp(mantissa, -bits), exponent - bias);
    return (float)(half & 0x8000 ? -value : value);
}

/* count numbers in device memory of that type; values become what is stored. */
static inline void *device_numbers(cudaStream_t stream, float *values, int64_t count, dnn_number type)
{
    void *device = device_alloc((size_t)count * dnn_size(type));
    if (type == DNN_F32) {
        upload(stream, device, values, (size_t)count * 4);
        return device;
    }
    uint16_t *half = calloc((size_t)count, 2);
    for (int64_t i = 0; i < count; i++) {
        half[i] = to_half(values[i], type == DNN_BF16);
        values[i] = from_half(half[i], type == DNN_BF16);
    }
    upload(stream, device, half, (size_t)count * 2);
    free(half);
    return device;
}

static inline void read_numbers(cudaStream_t stream, float *values, const void *device, int64_t count, dnn_number type)
{
    if (type == DNN_F32) {
        download(stream, values, device, (size_t)count * 4);
        return;
    }
    uint16_t *half = calloc((size_t)count, 2);
    download(stream, half, device, (size_t)count * 2);
    for (int64_t i = 0; i < count; i++)
        values[i] = from_half(half[i], type == DNN_BF16);
    free(half);
}

static inline float *random_numbers(int64_t count, uint64_t seed)
{
    float *values = calloc((size_t)count, sizeof(float));
    for (int64_t i = 0; i < count; i++)
        values[i] = pseudo_random(seed * 1000003 + (uint64_t)i);
    return values;
}

static inline void assert_close(const float *got, const float *want, int64_t count, double tolerance, const char *what)
{
    double error = 0, scale = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        scale += (double)want[i] * want[i];
    }
    if (error / scale > tolerance) {
        print_error("%s: normalised mean square error %g\n", what, error / scale);
        fail();
    }
}

#endif
