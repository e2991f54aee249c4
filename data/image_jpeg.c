/* JPEG by libjpeg-turbo. Its warnings mean that a part of the picture is guessed, so they reject the file like its errors do. */
#include "core/base/mem.h"
#include "data/image_impl.h"

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* libjpeg leaves by a jump; what must be released after it lives here, not in locals. */
typedef struct jpeg_reader {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    const fut_image_limits *limits;
    fut_status st; /* of the failure that jumped */
    uint8_t *strip;
    fut_image image;
} jpeg_reader;

enum { STRIP_ROWS = 16 };

static fut_status record_error(j_common_ptr cinfo)
{
    const struct jpeg_error_mgr *err = cinfo->err;
    switch (err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        return FUT_FAIL(FUT_ERR_NO_MEMORY, "libjpeg is out of memory");
    case JERR_BAD_PRECISION:
        return FUT_FAIL(FUT_ERR_DATA, "%d-bit JPEG is not supported", err->msg_parm.i[0]);
    case JERR_SOF_UNSUPPORTED:
        if (err->msg_parm.i[0] == 0xc3) return FUT_FAIL(FUT_ERR_DATA, "lossless JPEG is not supported");
        break;
    default:
        break;
    }
    char text[JMSG_LENGTH_MAX];
    err->format_message(cinfo, text);
    static const char prefix[] = "Corrupt JPEG data: ";
    const char *reason = strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text;
    return FUT_FAIL(FUT_ERR_DATA, "damaged JPEG: %s", reason);
}

static void reject(j_common_ptr cinfo)
{
    jpeg_reader *r = cinfo->client_data;
    r->st = record_error(cinfo);
    longjmp(r->jump, 1);
}

static void reject_warning(j_common_ptr cinfo, int level)
{
    if (level < 0) reject(cinfo);
}

/* Called per row of blocks. A small file can claim many passes over a large picture. */
static void limit_scans(j_common_ptr cinfo)
{
    jpeg_reader *r = cinfo->client_data;
    int64_t scans = r->cinfo.input_scan_number;
    int64_t pixels = (int64_t)r->cinfo.image_width * r->cinfo.image_height;
    if (scans <= r->limits->scans && scans * pixels <= r->limits->scan_pixels) return;
    r->st =
        FUT_FAIL(FUT_ERR_DATA, "JPEG of %u x %u pixels with %lld scans or more, over the limit of %lld scans and %lld megapixels in all",
                 r->cinfo.image_width, r->cinfo.image_height, (long long)scans, (long long)r->limits->scans,
                 (long long)(r->limits->scan_pixels / 1000000));
    longjmp(r->jump, 1);
}

/* The coefficients of the whole picture are held where it comes in several scans. */
static int64_t decoder_bytes(const struct jpeg_decompress_struct *cinfo, int64_t strip_bytes)
{
    if (!jpeg_has_multiple_scans((j_decompress_ptr)cinfo)) return strip_bytes;
    int64_t blocks = 0;
    for (int i = 0; i < cinfo->num_components; i++) {
        const jpeg_component_info *c = &cinfo->comp_info[i];
        blocks += ((int64_t)c->width_in_blocks + c->h_samp_factor) * ((int64_t)c->height_in_blocks + c->v_samp_factor);
    }
    return strip_bytes + blocks * (int64_t)sizeof(JBLOCK);
}

static int orientation_of(const struct jpeg_decompress_struct *cinfo)
{
    for (jpeg_saved_marker_ptr m = cinfo->marker_list; m != NULL; m = m->next)
        if (m->data_length >= 6 && memcmp(m->data, "Exif\0\0", 6) == 0) return fut_image_exif_orientation(m->data, m->data_length);
    return 1;
}

/* a * b / 255, rounded (Pillow's MULDIV255). */
static unsigned mul_div_255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* In place, 4 bytes a pixel to 3. Files hold inverted ink, as Adobe writes it; Pillow takes that for granted too.
 * rgb = white - black - colour * (white - black) / white (Pillow's cmyk2rgb). */
static void cmyk_to_rgb(uint8_t *pixels, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        unsigned light = pixels[4 * i + 3];
        for (int64_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)(light - mul_div_255(255U - pixels[4 * i + c], light));
    }
}

static fut_status read_header(jpeg_reader *r, int *orientation_out)
{
    struct jpeg_decompress_struct *cinfo = &r->cinfo;
    jpeg_save_markers(cinfo, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(cinfo, TRUE);
    FUT_CHECK(cinfo->data_precision == 8, FUT_ERR_DATA, "%d-bit JPEG is not supported", cinfo->data_precision);
    FUT_CHECK(cinfo->num_components == 1 || cinfo->num_components == 3 || cinfo->num_components == 4, FUT_ERR_DATA,
              "JPEG with %d colour components is not supported", cinfo->num_components);
    cinfo->out_color_space = cinfo->num_components == 4 ? JCS_CMYK : JCS_RGB;
    int64_t strip_bytes = (int64_t)STRIP_ROWS * cinfo->image_width * (cinfo->num_components == 4 ? 4 : 3);
    FUT_TRY(fut_image_check_size(cinfo->image_width, cinfo->image_height, decoder_bytes(cinfo, strip_bytes), r->limits));
    *orientation_out = orientation_of(cinfo);
    return FUT_NEW_ARRAY(strip_bytes, &r->strip);
}

static fut_status read_pixels(jpeg_reader *r, int orientation)
{
    struct jpeg_decompress_struct *cinfo = &r->cinfo;
    int64_t width = cinfo->image_width;
    int64_t height = cinfo->image_height;
    bool swap = fut_image_orientation_swaps(orientation);
    FUT_TRY(fut_image_create(swap ? height : width, swap ? width : height, &r->image));
    jpeg_start_decompress(cinfo);
    while (cinfo->output_scanline < cinfo->output_height) {
        JSAMPROW rows[STRIP_ROWS];
        int64_t first = cinfo->output_scanline;
        int64_t left = height - first < STRIP_ROWS ? height - first : STRIP_ROWS;
        for (int64_t i = 0; i < STRIP_ROWS; i++)
            rows[i] = r->strip + i * width * cinfo->output_components;
        int64_t done = 0;
        while (done < left)
            done += jpeg_read_scanlines(cinfo, rows + done, (JDIMENSION)(left - done));
        if (cinfo->out_color_space == JCS_CMYK) cmyk_to_rgb(r->strip, done * width);
        fut_image_place_rows(&r->image, orientation, first, done, r->strip);
    }
    jpeg_finish_decompress(cinfo); /* reads on to the end marker, so a cut tail is seen */
    return FUT_OK;
}

fut_status fut_image_decode_jpeg(const uint8_t *bytes, size_t length, const fut_image_limits *limits, fut_image *image_out)
{
    jpeg_reader r = {.limits = limits};
    r.cinfo.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = reject;
    r.errors.emit_message = reject_warning;
    r.cinfo.client_data = &r;
    if (setjmp(r.jump) == 0) {
        int orientation = 1;
        jpeg_create_decompress(&r.cinfo);
        r.progress.progress_monitor = limit_scans;
        r.cinfo.progress = &r.progress;
        r.cinfo.mem->max_memory_to_use = limits->memory_bytes;
        jpeg_mem_src(&r.cinfo, bytes, (unsigned long)length);
        r.st = read_header(&r, &orientation);
        if (r.st == FUT_OK) r.st = read_pixels(&r, orientation);
    }
    jpeg_destroy_decompress(&r.cinfo);
    fut_mem_free(r.strip);
    if (r.st == FUT_OK)
        *image_out = r.image;
    else
        fut_image_fini(&r.image);
    return r.st;
}

typedef struct jpeg_writer {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    jmp_buf jump;
    unsigned char *bytes; /* by malloc, libjpeg's rule */
    unsigned long length;
    fut_status st;
} jpeg_writer;

static void writer_fail(j_common_ptr cinfo)
{
    jpeg_writer *w = cinfo->client_data;
    char text[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, text);
    w->st = FUT_FAIL(cinfo->err->msg_code == JERR_OUT_OF_MEMORY ? FUT_ERR_NO_MEMORY : FUT_ERR_INTERNAL, "JPEG encoder: %s", text);
    longjmp(w->jump, 1);
}

static void compress(jpeg_writer *w, const fut_image *image, int quality)
{
    struct jpeg_compress_struct *cinfo = &w->cinfo;
    jpeg_create_compress(cinfo);
    jpeg_mem_dest(cinfo, &w->bytes, &w->length);
    cinfo->image_width = (JDIMENSION)image->width;
    cinfo->image_height = (JDIMENSION)image->height;
    cinfo->input_components = 3;
    cinfo->in_color_space = JCS_RGB;
    jpeg_set_defaults(cinfo);
    jpeg_set_quality(cinfo, quality, TRUE);
    jpeg_start_compress(cinfo, TRUE);
    while (cinfo->next_scanline < cinfo->image_height) {
        JSAMPROW row = image->rgb + 3 * (int64_t)cinfo->next_scanline * image->width;
        jpeg_write_scanlines(cinfo, &row, 1);
    }
    jpeg_finish_compress(cinfo);
}

fut_status fut_image_encode_jpeg(const fut_image *image, int quality, fut_str *out)
{
    FUT_CHECK(image->width > 0 && image->height > 0 && image->width <= JPEG_MAX_DIMENSION && image->height <= JPEG_MAX_DIMENSION,
              FUT_ERR_SHAPE, "a JPEG of %lld x %lld pixels cannot be", (long long)image->width, (long long)image->height);
    FUT_CHECK(quality >= 1 && quality <= 100, FUT_ERR_SHAPE, "JPEG quality %d is outside 1..100", quality);
    jpeg_writer w = {.st = FUT_OK};
    w.cinfo.err = jpeg_std_error(&w.errors);
    w.errors.error_exit = writer_fail;
    w.cinfo.client_data = &w;
    if (setjmp(w.jump) == 0) compress(&w, image, quality);
    jpeg_destroy_compress(&w.cinfo);
    if (w.st == FUT_OK) w.st = fut_str_append(out, (const char *)w.bytes, w.length);
    free(w.bytes);
    return w.st;
}
