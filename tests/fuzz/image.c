/* Damaged picture files, by the thousand: none may crash the decoders, break their limits or be refused without a reason. The seed is
 * fixed and the count of mutations too, up to a time limit; run under the sanitizers for its full worth. */
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "tests/unit/image_samples.h"

static const double seconds_max = 2.0;
static const int64_t mutations_max = 500000;

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(next_random(state) % n);
}

/* One to four edits: a bit, a byte, a run of an extreme value, a copied piece, a cut. */
static size_t mutate(uint64_t *state, uint8_t *bytes, size_t length)
{
    static const uint8_t extremes[] = {0x00, 0xff, 0x7f, 0x80, 0x01, 0xfe};
    for (size_t edits = 1 + below(state, 4); edits > 0 && length > 4; edits--) {
        size_t at = below(state, length);
        size_t run = 1 + below(state, length - at < 8 ? length - at : 8);
        switch (below(state, 5)) {
        case 0:
            bytes[at] ^= (uint8_t)(1U << below(state, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)next_random(state);
            break;
        case 2:
            memset(bytes + at, extremes[below(state, sizeof extremes)], run);
            break;
        case 3:
            memmove(bytes + at, bytes + below(state, length - run + 1), run);
            break;
        default:
            length -= below(state, length / 8 + 1);
            break;
        }
    }
    return length;
}

/* Half of the mutated PNGs get right checksums, or nothing behind them would ever be reached. */
static void mend_png(uint8_t *bytes, size_t length)
{
    size_t at = 8;
    while (at + 12 <= length) {
        size_t chunk = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (chunk > length - at - 12) return;
        uint32_t crc = sample_crc32(bytes + at + 4, chunk + 4);
        for (size_t i = 0; i < 4; i++)
            bytes[at + 8 + chunk + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += chunk + 12;
    }
}

enum { SEED_COUNT = 10 };

static void make_seeds(fut_str seeds[SEED_COUNT])
{
    static const uint32_t palette[16] = {0, 0xff, 0xff00, 0xff0000, 0xffffff};
    fut_image drawn = {0};
    sample_draw(33, 21, &drawn);
    sample_jpeg(&drawn, 1, &seeds[0]);
    sample_jpeg(&drawn, 12, &seeds[1]);
    assert_int_equal(fut_image_encode_png(&drawn, &seeds[2]), FUT_OK);
    sample_webp(&drawn, true, &seeds[3]);
    sample_webp(&drawn, false, &seeds[4]);
    sample_ppm(&drawn, &seeds[5]);
    assert_int_equal(fut_str_printf(&seeds[6], "P2 4 3 1000\n0 10 20 30 400 500 600 700 800 900 1000 1"), FUT_OK);
    sample_bmp_header(5, 4, 8, 1, palette, 16, &seeds[7]);
    sample_append(&seeds[7], "\5\1\0\0\0\3\1\2\3\0\2\4\0\0\0\2\2\1\3\3\0\0\5\0\0\1", 26);
    sample_bmp_header(5, 4, 4, 2, palette, 16, &seeds[8]);
    sample_append(&seeds[8], "\5\x12\0\0\0\3\x12\x30\2\x44\0\0\0\2\2\1\3\3\0\0\5\0\0\1", 24);
    sample_bmp_header(2, -2, 16, 3, (const uint32_t[]){0xf800, 0x7e0, 0x1f}, 3, &seeds[9]);
    sample_append(&seeds[9], "\0\xf8\0\0\xe0\x07\x1f\0", 8);
    fut_image_fini(&drawn);
}

static void test_mutations(void **state)
{
    (void)state;
    fut_str seeds[SEED_COUNT] = {{0}};
    fut_image_limits limits = FUT_IMAGE_LIMITS_DEFAULT;
    limits.pixels = 1 << 20; /* the interest is in the structure: large pictures would only take the time */
    limits.scan_pixels = 1 << 24;
    make_seeds(seeds);
    uint64_t random = 20240229;
    int64_t taken = 0;
    int64_t done = 0;
    const double start = fut_clock_now();
    for (; done < mutations_max && fut_clock_now() - start < seconds_max; done++) {
        const fut_str *seed = &seeds[done % SEED_COUNT];
        uint8_t *bytes = malloc(seed->length);
        memcpy(bytes, seed->data, seed->length);
        size_t length = mutate(&random, bytes, seed->length);
        if (done % SEED_COUNT == 2 && next_random(&random) % 2 == 0) mend_png(bytes, length);
        bytes = realloc(bytes, length); /* so that its end is the block's end */
        fut_image image = {0};
        int64_t held = fut_mem_bytes();
        fut_trail_clear();
        fut_status st = fut_image_decode(bytes, length, NULL, &limits, &image);
        if (st == FUT_OK) {
            assert_true(image.width > 0 && image.height > 0 && image.width * image.height <= limits.pixels);
            taken++;
        } else {
            if (st != FUT_ERR_DATA || fut_trail_message()[0] == '\0') fail_msg("mutation %lld: status %d", (long long)done, (int)st);
            assert_int_equal(fut_mem_bytes(), held);
        }
        fut_image_fini(&image);
        free(bytes);
    }
    print_message("%lld mutations, %lld still decoded\n", (long long)done, (long long)taken);
    assert_true(done > 1000);
    fut_trail_clear();
    for (int i = 0; i < SEED_COUNT; i++)
        fut_str_fini(&seeds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
