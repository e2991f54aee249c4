#include "core/base/hash.h"

#include "core/base/mem.h"

#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the size of the streaming state */
#include <xxhash.h>

struct fut_xxh3 {
    XXH3_state_t state;
};

_Static_assert(_Alignof(XXH3_state_t) <= FUT_MEM_ALIGN, "fut_mem_alloc must align the state");

uint64_t fut_hash_xxh3(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

fut_status fut_xxh3_create(fut_xxh3 **stream_out)
{
    fut_xxh3 *stream = NULL;
    FUT_TRY(FUT_NEW(&stream));
    (void)XXH3_64bits_reset(&stream->state); /* fails for NULL only, as does update */
    *stream_out = stream;
    return FUT_OK;
}

void fut_xxh3_update(fut_xxh3 *stream, const void *bytes, size_t length)
{
    if (length > 0) (void)XXH3_64bits_update(&stream->state, bytes, length);
}

uint64_t fut_xxh3_digest(const fut_xxh3 *stream)
{
    return XXH3_64bits_digest(&stream->state);
}

void fut_xxh3_destroy(fut_xxh3 **stream)
{
    fut_mem_free(*stream);
    *stream = NULL;
}

/* ---- SHA-256: FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1, 5.3.3 and 6.2.2 ---- */

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void sha256_block(uint32_t state[8], const unsigned char *block)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
        0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
        0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
        0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
        0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
        0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t w[64];
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    /* The standard's working variables: an array of them would cost two thirds of the speed. */
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t choose = (e & f) ^ (~e & g);
        uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choose + k[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += sums[i];
}

void fut_sha256_init(fut_sha256 *stream)
{
    *stream = (fut_sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
    };
}

void fut_sha256_update(fut_sha256 *stream, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    while (length > 0) {
        size_t used = stream->length % 64;
        size_t n = 64 - used < length ? 64 - used : length;
        memcpy(stream->block + used, from, n);
        stream->length += n;
        from += n;
        length -= n;
        if (used + n == 64) sha256_block(stream->state, stream->block);
    }
}

void fut_sha256_digest(const fut_sha256 *stream, unsigned char digest_out[FUT_SHA256_BYTES])
{
    static const unsigned char padding[64] = {0x80};
    fut_sha256 last = *stream;
    unsigned char bits[8];
    for (int i = 0; i < 8; i++)
        bits[i] = (unsigned char)(stream->length * 8 >> (56 - 8 * i));
    size_t used = stream->length % 64;
    fut_sha256_update(&last, padding, used < 56 ? 56 - used : 120 - used);
    fut_sha256_update(&last, bits, sizeof bits);
    for (int i = 0; i < FUT_SHA256_BYTES; i++)
        digest_out[i] = (unsigned char)(last.state[i / 4] >> (24 - 8 * (i % 4)));
}

void fut_hash_sha256(const void *bytes, size_t length, unsigned char digest_out[FUT_SHA256_BYTES])
{
    fut_sha256 stream;
    fut_sha256_init(&stream);
    fut_sha256_update(&stream, bytes, length);
    fut_sha256_digest(&stream, digest_out);
}

void fut_hash_hex(const void *bytes, size_t length, char *text_out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < length; i++) {
        text_out[2 * i] = digits[from[i] >> 4];
        text_out[2 * i + 1] = digits[from[i] & 15];
    }
    text_out[2 * length] = '\0';
}
