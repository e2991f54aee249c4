/* Windows and OS/2 bitmaps: 1, 4, 8, 16, 24 and 32 bits, bit fields, RLE4 and RLE8, bottom-up and top-down.
 *
 *   file header (14): "BM", size, 0, offset of the pixels | info header (its own size first) | masks | palette | rows, padded to 4 bytes */
#include "core/base/mem.h"
#include "data/image_impl.h"

#include <string.h>

enum { FILE_HEADER_BYTES = 14, CORE_HEADER_BYTES = 12, INFO_HEADER_BYTES = 40, PALETTE_MAX = 256 };
enum { BMP_PLAIN = 0, BMP_RLE8 = 1, BMP_RLE4 = 2, BMP_BITFIELDS = 3 };

typedef struct bmp_channel {
    uint32_t mask, max;
    int shift;
} bmp_channel;

typedef struct bmp_reader {
    const uint8_t *bytes;
    size_t length;
    size_t pixels; /* offset of the first row */
    int64_t width, height;
    bool top_down;
    uint32_t bits, compression;
    bmp_channel channels[3]; /* red, green, blue, for 16 and 32 bits */
    uint32_t colors;
    uint8_t palette[PALETTE_MAX][3]; /* RGB */
} bmp_reader;

static fut_status set_masks(bmp_reader *r, const uint32_t masks[3])
{
    for (int c = 0; c < 3; c++) {
        bmp_channel *ch = &r->channels[c];
        FUT_CHECK(masks[c] != 0, FUT_ERR_DATA, "damaged BMP: an empty colour mask");
        ch->mask = masks[c];
        ch->shift = __builtin_ctz(masks[c]);
        ch->max = masks[c] >> ch->shift;
        FUT_CHECK((ch->max & (ch->max + 1)) == 0 && ch->max <= 0xffff, FUT_ERR_DATA, "BMP with the colour mask 0x%08x is not supported",
                  masks[c]);
    }
    return FUT_OK;
}

/* The fields of an info header of 40 bytes or more. */
static void read_info_header(bmp_reader *r, const uint8_t *header)
{
    int32_t height = (int32_t)fut_load_u32le(header + 8);
    r->width = (int32_t)fut_load_u32le(header + 4);
    r->height = height < 0 ? -(int64_t)height : height;
    r->top_down = height < 0;
    r->bits = fut_load_u16le(header + 14);
    r->compression = fut_load_u32le(header + 16);
    r->colors = fut_load_u32le(header + 32);
}

static fut_status read_palette(bmp_reader *r, size_t at, size_t entry_bytes)
{
    if (r->colors == 0) r->colors = 1U << r->bits;
    FUT_CHECK(r->colors <= PALETTE_MAX && r->length - at >= r->colors * entry_bytes, FUT_ERR_DATA, "damaged BMP: a palette of %u colours",
              r->colors);
    for (uint32_t i = 0; i < r->colors; i++)
        for (size_t c = 0; c < 3; c++)
            r->palette[i][c] = r->bytes[at + i * entry_bytes + 2 - c];
    return FUT_OK;
}

static fut_status read_header(bmp_reader *r, const fut_image_limits *limits)
{
    FUT_CHECK(r->length >= FILE_HEADER_BYTES + CORE_HEADER_BYTES, FUT_ERR_DATA, "damaged BMP: ends in its header");
    const uint8_t *header = r->bytes + FILE_HEADER_BYTES;
    const size_t header_bytes = fut_load_u32le(header);
    const bool core = header_bytes == CORE_HEADER_BYTES;
    FUT_CHECK(core || (header_bytes >= INFO_HEADER_BYTES && header_bytes <= 124), FUT_ERR_DATA,
              "BMP with a header of %zu bytes is not supported", header_bytes);
    size_t at = FILE_HEADER_BYTES + header_bytes;
    FUT_CHECK(r->length >= at, FUT_ERR_DATA, "damaged BMP: ends in its header");
    if (core) {
        r->width = fut_load_u16le(header + 4);
        r->height = fut_load_u16le(header + 6);
        r->bits = fut_load_u16le(header + 10);
    } else {
        read_info_header(r, header);
    }
    FUT_TRY(fut_image_check_size(r->width, r->height, (int64_t)r->width * r->height, limits));

    const bool fields = r->compression == BMP_BITFIELDS;
    const bool known = r->compression == BMP_PLAIN || (r->compression == BMP_RLE8 && r->bits == 8) ||
                       (r->compression == BMP_RLE4 && r->bits == 4) || (fields && (r->bits == 16 || r->bits == 32));
    const bool depth = r->bits == 1 || r->bits == 4 || r->bits == 8 || r->bits == 16 || r->bits == 24 || r->bits == 32;
    FUT_CHECK(known && depth, FUT_ERR_DATA, "BMP with %u bits and compression %u is not supported", r->bits, r->compression);

    uint32_t masks[3] = {0xff0000, 0xff00, 0xff};
    if (r->bits == 16) memcpy(masks, (uint32_t[]){0x7c00, 0x3e0, 0x1f}, sizeof masks);
    if (fields) {
        /* Newer headers hold the masks at the place where the 40-byte one is followed by them. */
        FUT_CHECK(r->length >= FILE_HEADER_BYTES + INFO_HEADER_BYTES + sizeof masks, FUT_ERR_DATA, "damaged BMP: ends in its header");
        for (size_t c = 0; c < 3; c++)
            masks[c] = fut_load_u32le(header + INFO_HEADER_BYTES + 4 * c);
        if (header_bytes == INFO_HEADER_BYTES) at += sizeof masks;
    }
    FUT_TRY(set_masks(r, masks));
    if (r->bits <= 8) FUT_TRY(read_palette(r, at, core ? 3 : 4));
    r->pixels = fut_load_u32le(r->bytes + 10);
    FUT_CHECK(r->pixels >= at && r->pixels <= r->length, FUT_ERR_DATA, "damaged BMP: its pixels start at byte %zu of %zu", r->pixels,
              r->length);
    return FUT_OK;
}

static uint8_t *image_row(const bmp_reader *r, const fut_image *image, int64_t row)
{
    return image->rgb + 3 * image->width * (r->top_down ? row : image->height - 1 - row);
}

/* Only for a palette's bits. */
static uint32_t color_index(const uint8_t *row, int64_t x, uint32_t bits)
{
    uint32_t bit = (uint32_t)(x * bits % 8);
    return (uint32_t)row[x * bits / 8] >> (8 - bits - bit) & ((1U << bits) - 1);
}

static fut_status put_index(const bmp_reader *r, uint32_t index, uint8_t *to)
{
    FUT_CHECK(index < r->colors, FUT_ERR_DATA, "damaged BMP: colour %u of a palette of %u", index, r->colors);
    memcpy(to, r->palette[index], 3);
    return FUT_OK;
}

static fut_status read_row(const bmp_reader *r, const uint8_t *row, uint8_t *to)
{
    for (int64_t x = 0; x < r->width; x++, to += 3) {
        if (r->bits <= 8) {
            FUT_TRY(put_index(r, color_index(row, x, r->bits), to));
        } else if (r->bits == 24) {
            for (int64_t c = 0; c < 3; c++)
                to[c] = row[3 * x + 2 - c];
        } else {
            uint32_t pixel = r->bits == 16 ? fut_load_u16le(row + 2 * x) : fut_load_u32le(row + 4 * x);
            for (int64_t c = 0; c < 3; c++) {
                const bmp_channel *ch = &r->channels[c];
                /* set_masks refuses an empty mask. NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
                to[c] = (uint8_t)(((pixel & ch->mask) >> ch->shift) * 255 / ch->max);
            }
        }
    }
    return FUT_OK;
}

static fut_status read_rows(const bmp_reader *r, fut_image *image)
{
    int64_t stride = (r->width * r->bits + 31) / 32 * 4;
    int64_t held = (int64_t)(r->length - r->pixels);
    /* Some writers leave out the padding of the last row. */
    int64_t needed = stride * (r->height - 1) + (r->width * r->bits + 7) / 8;
    FUT_CHECK(held >= needed, FUT_ERR_DATA, "damaged BMP: %lld of %lld bytes of pixels", (long long)held, (long long)needed);
    for (int64_t y = 0; y < r->height; y++)
        FUT_TRY(read_row(r, r->bytes + r->pixels + y * stride, image_row(r, image, y)));
    return FUT_OK;
}

/* Runs of (count, value), or 0 and: 0 end of row, 1 end of picture, 2 a jump (right, up), n literal indices padded to 16 bits.
 * Pixels that are jumped over have index 0. */
static fut_status unpack_runs(const bmp_reader *r, uint8_t *indices)
{
    const uint8_t *at = r->bytes + r->pixels;
    const uint8_t *end = r->bytes + r->length;
    const int64_t total = r->width * r->height;
    int64_t x = 0;
    int64_t y = 0;
    while (y * r->width + x < total) {
        FUT_CHECK(end - at >= 2, FUT_ERR_DATA, "damaged BMP: ends at row %lld of %lld", (long long)y, (long long)r->height);
        const int64_t run = at[0];
        const int64_t code = at[1];
        at += 2;
        if (run == 0 && code == 0) {
            x = 0;
            y++;
        } else if (run == 0 && code == 1) {
            return FUT_OK;
        } else if (run == 0 && code == 2) {
            FUT_CHECK(end - at >= 2, FUT_ERR_DATA, "damaged BMP: ends at row %lld of %lld", (long long)y, (long long)r->height);
            x += at[0];
            y += at[1];
            at += 2;
            FUT_CHECK(x <= r->width && y <= r->height, FUT_ERR_DATA, "damaged BMP: a jump out of the picture");
        } else {
            const bool literal = run == 0;
            const int64_t count = literal ? code : run;
            const int64_t literal_bytes = literal ? (count * r->bits + 7) / 8 : 0;
            FUT_CHECK(count <= r->width - x && y < r->height, FUT_ERR_DATA, "damaged BMP: row %lld runs over the edge", (long long)y);
            FUT_CHECK(end - at >= literal_bytes, FUT_ERR_DATA, "damaged BMP: ends at row %lld of %lld", (long long)y, (long long)r->height);
            const uint8_t *source = literal ? at : at - 1;
            const int64_t period = literal ? count : 8 / r->bits;
            for (int64_t i = 0; i < count; i++)
                indices[y * r->width + x + i] = (uint8_t)color_index(source, i % period, r->bits);
            at += literal_bytes + (literal_bytes & 1);
            x += count;
        }
    }
    return FUT_OK;
}

static fut_status read_runs(const bmp_reader *r, fut_image *image)
{
    fut_status st = FUT_OK;
    uint8_t *indices = NULL;
    FUT_TRY(FUT_NEW_ARRAY(r->width * r->height, &indices));
    FUT_TRY_GOTO(unpack_runs(r, indices), out);
    for (int64_t y = 0; y < r->height; y++) {
        uint8_t *to = image_row(r, image, y);
        for (int64_t x = 0; x < r->width; x++)
            FUT_TRY_GOTO(put_index(r, indices[y * r->width + x], to + 3 * x), out);
    }
out:
    fut_mem_free(indices);
    return st;
}

fut_status fut_image_decode_bmp(const uint8_t *bytes, size_t length, const fut_image_limits *limits, fut_image *image_out)
{
    fut_image image = {0};
    bmp_reader r = {.bytes = bytes, .length = length};
    FUT_TRY(read_header(&r, limits));
    const bool runs = r.compression == BMP_RLE8 || r.compression == BMP_RLE4;
    FUT_TRY(fut_image_create(r.width, r.height, &image));
    fut_status st = runs ? read_runs(&r, &image) : read_rows(&r, &image);
    if (st == FUT_OK)
        *image_out = image;
    else
        fut_image_fini(&image);
    return st;
}
