/* core/base/hash: XXH3 against the reference's own values, SHA-256 against NIST's, both also in pieces. */
#include "core/base/hash.h"
#include "core/base/mem.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_sha256(const void *bytes, size_t length, const char *hex)
{
    unsigned char digest[FUT_SHA256_BYTES];
    char text[2 * FUT_SHA256_BYTES + 1];
    fut_hash_sha256(bytes, length, digest);
    fut_hash_hex(digest, sizeof digest, text);
    assert_string_equal(text, hex);
}

/* FIPS 180-4 examples (csrc.nist.gov, SHA256.pdf) and the CAVP short message of one byte. */
static void sha256_nist_vectors(void **state)
{
    (void)state;
    expect_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_sha256("\xd3", 1, "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
    expect_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect_sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 112,
                  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void sha256_million_a_in_pieces(void **state)
{
    (void)state;
    static char a[1000];
    memset(a, 'a', sizeof a);
    fut_sha256 stream;
    fut_sha256_init(&stream);
    size_t left = 1000000;
    for (size_t piece = 0; left > 0; piece = (piece * 7 + 13) % sizeof a) {
        size_t n = piece < left ? piece : left;
        fut_sha256_update(&stream, a, n);
        left -= n;
    }
    unsigned char digest[FUT_SHA256_BYTES];
    char text[2 * FUT_SHA256_BYTES + 1];
    fut_sha256_digest(&stream, digest);
    fut_hash_hex(digest, sizeof digest, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    /* Asking twice changes nothing. */
    unsigned char again[FUT_SHA256_BYTES];
    fut_sha256_digest(&stream, again);
    assert_memory_equal(digest, again, sizeof digest);
}

/* The sanity buffer of xxHash's own tests/sanity_test.c: its values for seed 0 are in that repository. */
static void xxh3_reference_values(void **state)
{
    (void)state;
    static unsigned char buffer[2367];
    uint64_t generator = 2654435761U;
    for (size_t i = 0; i < sizeof buffer; i++) {
        buffer[i] = (unsigned char)(generator >> 56);
        generator *= 11400714785074694797U;
    }
    static const struct {
        size_t length;
        uint64_t sum;
    } rows[] = {{0, 0x2d06800538d394c2U},   {1, 0xc44bdff4074eecdbU},   {6, 0x27b56a84cd2d7325U},    {12, 0xa713daf0dfbb77e7U},
                {24, 0xa3fe70bf9d3510ebU},  {48, 0x397da259ecba1f11U},  {80, 0xbcdefbbb2c47c90aU},   {195, 0xcd94217ee362ec3aU},
                {403, 0xcdeb804d65c6dea4U}, {512, 0x617e49599013cb6bU}, {2048, 0xdd59e2c3a5f038e0U}, {2367, 0xcb37aeb9e5d361edU}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(fut_hash_xxh3(buffer, rows[i].length), rows[i].sum);
        fut_xxh3 *stream = NULL;
        assert_int_equal(fut_xxh3_create(&stream), FUT_OK);
        for (size_t at = 0; at < rows[i].length; at += 100)
            fut_xxh3_update(stream, buffer + at, rows[i].length - at < 100 ? rows[i].length - at : 100);
        assert_int_equal(fut_xxh3_digest(stream), rows[i].sum);
        fut_xxh3_destroy(&stream);
        assert_null(stream);
    }
    assert_int_equal(fut_mem_bytes(), 0);
}

static void xxh3_create_fails_cleanly(void **state)
{
    (void)state;
    fut_xxh3 *stream = NULL;
    fut_mem_fail_after(1);
    assert_int_equal(fut_xxh3_create(&stream), FUT_ERR_NO_MEMORY);
    assert_null(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_nist_vectors),
        cmocka_unit_test(sha256_million_a_in_pieces),
        cmocka_unit_test(xxh3_reference_values),
        cmocka_unit_test(xxh3_create_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
