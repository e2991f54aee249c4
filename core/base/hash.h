/* Checksums. XXH3 (64 bits) finds damage: images, datasets, checkpoints. SHA-256 (FIPS 180-4) names content: a model, a configuration. */
#ifndef FUT_CORE_BASE_HASH_H
#define FUT_CORE_BASE_HASH_H

#include "core/base/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_SHA256_BYTES = 32 };

/* XXH3_64bits of xxHash with seed 0. */
uint64_t fut_hash_xxh3(const void *bytes, size_t length);

/* The same over pieces. Owns: *stream_out, release with fut_xxh3_destroy. The digest may be asked at any time. */
typedef struct fut_xxh3 fut_xxh3;
fut_status fut_xxh3_create(fut_xxh3 **stream_out) FUT_MUST_CHECK;
void fut_xxh3_update(fut_xxh3 *stream, const void *bytes, size_t length);
uint64_t fut_xxh3_digest(const fut_xxh3 *stream);
void fut_xxh3_destroy(fut_xxh3 **stream);

void fut_hash_sha256(const void *bytes, size_t length, unsigned char digest_out[FUT_SHA256_BYTES]);

/* The same over pieces, in the caller's storage: init, update..., digest (any time; the stream may go on). */
typedef struct fut_sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far; the last length % 64 of them wait in block */
    unsigned char block[64];
} fut_sha256;
void fut_sha256_init(fut_sha256 *stream);
void fut_sha256_update(fut_sha256 *stream, const void *bytes, size_t length);
void fut_sha256_digest(const fut_sha256 *stream, unsigned char digest_out[FUT_SHA256_BYTES]);

/* Lowercase hexadecimal of `length` bytes into text_out (2 * length + 1 bytes). For an xxh3 value print "%016" PRIx64. */
void fut_hash_hex(const void *bytes, size_t length, char *text_out);

#ifdef __cplusplus
}
#endif

#endif
