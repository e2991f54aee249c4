#include "core/base/mem.h"
#include "data/synth.h"
#include "data/synth_impl.h"

#include <string.h>

/* The pixel being painted, back to front. */
typedef struct canvas {
    const fut_synth_person *p;
    const fut_synth_moment *m;
    float u, v; /* face units from the head's centre, roll undone */
    fut_vec3 color;
} canvas;

static const float behind_head = 0.55F; /* how much of the light reaches what lies behind the head's front */

static void blend(canvas *at, fut_vec3 color, float alpha)
{
    at->color = fut_mix(at->color, color, alpha);
}

static fut_vec3 lit(const fut_synth_moment *m, fut_vec3 color, float facing)
{
    return (fut_vec3){color.x * (m->ambient.x + m->key.x * facing), color.y * (m->ambient.y + m->key.y * facing),
                      color.z * (m->ambient.z + m->key.z * facing)};
}

/* Light bends a little around the edge, as it does on skin. */
static float facing_light(const fut_synth_moment *m, fut_vec3 normal)
{
    float d = (fut_dot(normal, m->light) + 0.18F) / 1.18F;
    return d > 0 ? d : 0;
}

/* ---- background ---- */

static fut_vec3 backdrop(const fut_synth_moment *m, float u, float v)
{
    float x = m->backdrop_cos * u + m->backdrop_sin * v;
    float y = m->backdrop_cos * v - m->backdrop_sin * u;
    float s = m->backdrop_scale;
    float t = 0;
    switch (m->backdrop) {
    case FUT_BACKDROP_GRADIENT:
        t = fut_clampf(0.5F + 0.35F * x, 0, 1);
        break;
    case FUT_BACKDROP_CLOUDS:
        t = 0.6F * fut_synth_noise(x * s, y * s, m->texture) + 0.4F * fut_synth_noise(x * s * 2.7F, y * s * 2.7F, m->texture + 1);
        t = fut_smoothstep(0.25F, 0.75F, t);
        break;
    case FUT_BACKDROP_STRIPES: {
        float wave = x * s * 0.7F;
        wave = fabsf(wave - floorf(wave) - 0.5F) * 2;
        t = fut_smoothstep(0.35F, 0.65F, wave);
        break;
    }
    case FUT_BACKDROP_TILES:
        t = (float)(fut_hash2((int32_t)floorf(x * s), (int32_t)floorf(y * s), m->texture) >> 8) * 0x1p-24F;
        break;
    case FUT_BACKDROP_BOKEH: {
        float cell_x = floorf(x * s * 0.6F);
        float cell_y = floorf(y * s * 0.6F);
        uint32_t h = fut_hash2((int32_t)cell_x, (int32_t)cell_y, m->texture);
        float dx = x * s * 0.6F - cell_x - 0.5F;
        float dy = y * s * 0.6F - cell_y - 0.5F;
        float radius = 0.15F + 0.3F * (float)(h & 255) / 255;
        t = fut_smoothstep(radius + 0.06F, radius - 0.06F, sqrtf(dx * dx + dy * dy)) * (float)(h >> 8 & 255) / 255;
        break;
    }
    case FUT_BACKDROP_COUNT:
        break;
    }
    return fut_mix(m->backdrop_color[0], m->backdrop_color[1], t);
}

/* ---- what stands behind the face: hair, shoulders, neck, ears ---- */

static fut_vec3 hair_color(const fut_synth_person *p, float x, float y)
{
    float along = 14 - 5 * p->curl;
    float across = 2.5F + 6.5F * p->curl;
    return fut_scale(p->hair, 0.70F + 0.55F * fut_synth_noise(x * along, y * across, p->texture + 2));
}

static void draw_hair_behind(canvas *at)
{
    const fut_synth_person *p = at->p;
    if (!p->has_hair) return;
    float u = at->u + 0.10F * at->m->yaw_sin;
    float half = p->head_width + p->hair_volume;
    float qx = u / half;
    float qy = at->v / (1 + p->hair_volume);
    float cap = (sqrtf(qx * qx + qy * qy) - 1) * half;
    float fall = fabsf(u) - half * (1 + 0.10F * at->v);
    float end = at->v - p->hair_length;
    float distance = at->v < 0 ? cap : fall;
    if (at->v > 0 && p->hair_length < 0.3F && cap > distance) distance = cap;
    if (end > distance) distance = end;
    distance += 0.10F * p->curl * (fut_synth_noise(at->u * 6, at->v * 6, p->texture + 3) - 0.5F);
    if (p->has_knot) {
        float knot_x = u / 0.26F;
        float knot_y = (at->v + 1.14F) / 0.22F;
        float knot = (sqrtf(knot_x * knot_x + knot_y * knot_y) - 1) * 0.24F;
        if (knot < distance) distance = knot;
    }
    float alpha = fut_coverage(at->m, distance);
    if (alpha > 0) blend(at, lit(at->m, fut_scale(hair_color(p, at->u, at->v), 0.85F), behind_head), alpha);
}

static void draw_shoulders(canvas *at)
{
    const fut_synth_moment *m = at->m;
    if (at->v < 0.5F) return;
    float neck = fabsf(at->u) - 0.52F * at->p->head_width - 0.25F * fut_smoothstep(1.05F, 1.4F, at->v);
    float shadow = 0.45F + 0.35F * fut_smoothstep(0.9F, 1.35F, at->v);
    blend(at, lit(m, at->p->skin, shadow - 0.2F), fut_coverage(m, neck));
    float qx = at->u / 1.45F;
    float qy = (at->v - 2.05F) / 0.90F;
    float cloth = (sqrtf(qx * qx + qy * qy) - 1) * 0.9F;
    float collar_x = at->u / (0.42F + 0.2F * m->neckline);
    float collar_y = (at->v - 1.08F) / (0.12F + m->neckline * 0.5F);
    float collar = (1 - sqrtf(collar_x * collar_x + collar_y * collar_y)) * 0.3F;
    if (collar > cloth) cloth = collar;
    float fold = 0.8F + 0.3F * fut_synth_noise(at->u * 3, at->v * 3, m->texture + 5);
    blend(at, lit(m, fut_scale(m->shirt, fold), behind_head), fut_coverage(m, cloth));
}

static void draw_ear(canvas *at, float side)
{
    const fut_synth_person *p = at->p;
    const fut_synth_moment *m = at->m;
    float x = (at->u - side * (p->head_width * (0.99F - 0.25F * (1 - m->yaw_cos)) + side * 0.20F * m->yaw_sin)) / (0.55F * p->ear_radius);
    float y = (at->v - p->ear_y - 0.2F * m->pitch_sin) / p->ear_radius;
    float r = sqrtf(x * x + y * y);
    if (r > 1.3F) return;
    fut_vec3 color = fut_mix((fut_vec3){p->skin.x, p->skin.y * 0.86F, p->skin.z * 0.84F}, fut_scale(p->skin, 0.6F),
                             0.8F * fut_smoothstep(0.68F, 0.5F, r));
    blend(at, lit(m, color, behind_head), fut_coverage(m, (r - 1) * 0.6F * p->ear_radius));
}

/* ---- the head ---- */

/* Turns a point of the visible hemisphere into the head's own frame. */
static fut_vec3 unturn(const fut_synth_moment *m, fut_vec3 n)
{
    float y = m->pitch_cos * n.y - m->pitch_sin * n.z;
    float z = m->pitch_sin * n.y + m->pitch_cos * n.z;
    return (fut_vec3){m->yaw_cos * n.x - m->yaw_sin * z, y, m->yaw_sin * n.x + m->yaw_cos * z};
}

static void draw_head(canvas *at)
{
    const fut_synth_person *p = at->p;
    const fut_synth_moment *m = at->m;
    float half = fut_synth_width(p, at->v);
    float x = at->u / half;
    float r = sqrtf(x * x + at->v * at->v);
    float alpha = fut_clampf(0.5F - (r - 1) * half * m->pixels, 0, 1);
    if (alpha <= 0) return;
    float inside = r < 0.999F ? 1 : 0.999F / r;
    fut_vec3 normal = {x * inside, at->v * inside, 0};
    normal.z = sqrtf(1 - normal.x * normal.x - normal.y * normal.y);
    fut_vec3 face = unturn(m, normal);
    fut_vec3 color;
    fut_vec3 bumped;
    fut_synth_face(p, m, face, &color, &bumped);
    fut_vec3 shading = fut_unit((fut_vec3){normal.x + bumped.x - face.x, normal.y + bumped.y - face.y, normal.z});
    if (p->has_hair) {
        float line = p->hairline + p->hair_round * face.x * face.x + p->hair_part * face.x;
        line += 0.05F * (fut_synth_noise(face.x * 16, 0.5F, p->texture + 4) - 0.5F) * (1 + 2 * p->curl);
        float front = face.y - line;
        float back = face.z - 0.22F + (face.y > p->hair_side ? (face.y - p->hair_side) * 4 : 0);
        float hair = fut_coverage(m, front < back ? front : back);
        fut_vec3 sheen = fut_scale(hair_color(p, face.x, face.y), 0.85F + 0.35F * fut_hill((normal.y + 0.6F) / 0.3F));
        color = fut_mix(color, sheen, hair);
    }
    if (m->has_glasses && face.z > 0) fut_synth_glasses(p, m, face, &color);
    blend(at, lit(m, color, facing_light(m, shading)), alpha);
}

static fut_vec3 paint(const fut_synth_person *p, const fut_synth_moment *m, float px, float py)
{
    float dx = (px - m->center_x) / m->pixels;
    float dy = (py - m->center_y) / m->pixels;
    canvas at = {.p = p, .m = m, .u = m->roll_cos * dx + m->roll_sin * dy, .v = m->roll_cos * dy - m->roll_sin * dx};
    at.color = backdrop(m, dx, dy);
    draw_hair_behind(&at);
    draw_shoulders(&at);
    draw_ear(&at, -1);
    draw_ear(&at, 1);
    draw_head(&at);
    return at.color;
}

/* ---- the camera ---- */

static fut_vec3 develop(const fut_synth_moment *m, fut_vec3 c)
{
    float grey = 0.30F * c.x + 0.59F * c.y + 0.11F * c.z;
    c = fut_mix((fut_vec3){grey, grey, grey}, c, m->saturation);
    float lift = 0.5F * (1 - m->contrast);
    return (fut_vec3){m->gain * c.x * m->contrast + lift, m->gain * c.y * m->contrast + lift, m->gain * c.z * m->contrast + lift};
}

/* (1 2 1) / 4 along one axis of [n, stride] triples, edges repeated; `line` holds a copy of n of them. */
static void blur_line(fut_vec3 *values, int64_t n, int64_t stride, fut_vec3 *line)
{
    for (int64_t i = 0; i < n; i++)
        line[i] = values[i * stride];
    for (int64_t i = 0; i < n; i++) {
        fut_vec3 before = line[i > 0 ? i - 1 : 0];
        fut_vec3 after = line[i + 1 < n ? i + 1 : n - 1];
        values[i * stride] = fut_mix(line[i], fut_mix(before, after, 0.5F), 0.5F);
    }
}

static uint8_t to_byte(float v)
{
    return (uint8_t)(fut_clampf(v, 0, 1) * 255 + 0.5F);
}

/* The sum of 4 bytes is near enough to normal, with deviation 147.8. */
static float grain(uint32_t h)
{
    return ((float)((h & 255) + (h >> 8 & 255) + (h >> 16 & 255) + (h >> 24)) - 510) / 147.8F;
}

static void expose(const fut_synth_moment *m, int64_t size, const fut_vec3 *colors, uint8_t *rgb)
{
    for (int64_t i = 0; i < size * size; i++) {
        int32_t x = (int32_t)(i % size);
        int32_t y = (int32_t)(i / size);
        const float channel[3] = {colors[i].x, colors[i].y, colors[i].z};
        float shared = grain(fut_hash2(x, y, m->texture + 7));
        for (uint32_t c = 0; c < 3; c++) {
            float own = grain(fut_hash2(x, y, m->texture + 8 + c));
            rgb[3 * i + c] = to_byte(channel[c] + m->noise * (0.8F * shared + 0.6F * own));
        }
    }
}

fut_status fut_synth_draw(uint64_t seed, int64_t person, int64_t image, int64_t size, fut_image *image_out)
{
    fut_status st = FUT_OK;
    fut_image drawn = {0};
    fut_vec3 *colors = NULL;
    fut_synth_person p;
    fut_synth_moment m;
    fut_synth_draw_person(seed, person, &p);
    fut_synth_draw_moment(seed, person, image, size, &m);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(size * size + size, &colors), out);
    FUT_TRY_GOTO(fut_image_create(size, size, &drawn), out);
    for (int64_t y = 0; y < size; y++)
        for (int64_t x = 0; x < size; x++)
            colors[y * size + x] = develop(&m, paint(&p, &m, (float)x + 0.5F, (float)y + 0.5F));
    /* A picture twice as large as 128 x 128 needs four times as many passes for the same look. */
    int64_t passes = m.blur_passes * size * size / 16384;
    for (int64_t pass = 0; pass < passes; pass++) {
        for (int64_t y = 0; y < size; y++)
            blur_line(colors + y * size, size, 1, colors + size * size);
        for (int64_t x = 0; x < size; x++)
            blur_line(colors + x, size, size, colors + size * size);
    }
    expose(&m, size, colors, drawn.rgb);
    *image_out = drawn;
    drawn = (fut_image){0};
out:
    fut_image_fini(&drawn);
    fut_mem_free(colors);
    return st;
}
