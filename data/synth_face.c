#include "data/synth_impl.h"

/* A point of the face while its colour is being put together, from the skin outwards. */
typedef struct point {
    const fut_synth_person *p;
    const fut_synth_moment *m;
    float x, y; /* frontal coordinates */
    fut_vec3 color;
    float tilt_x, tilt_y; /* what features add to the normal */
} point;

float fut_synth_noise(float x, float y, uint32_t seed)
{
    float fx = floorf(x);
    float fy = floorf(y);
    int32_t ix = (int32_t)fx;
    int32_t iy = (int32_t)fy;
    float tx = x - fx;
    float ty = y - fy;
    tx = tx * tx * (3 - 2 * tx);
    ty = ty * ty * (3 - 2 * ty);
    float v[4];
    for (int i = 0; i < 4; i++)
        v[i] = (float)(fut_hash2(ix + (i & 1), iy + (i >> 1), seed) >> 8) * 0x1p-24F;
    float top = v[0] + (v[1] - v[0]) * tx;
    float bottom = v[2] + (v[3] - v[2]) * tx;
    return top + (bottom - top) * ty;
}

static void blend(point *at, fut_vec3 color, float alpha)
{
    at->color = fut_mix(at->color, color, alpha);
}

/* ---- skin ---- */

static void draw_skin(point *at)
{
    const fut_synth_person *p = at->p;
    at->color = p->skin;
    /* Cheeks are redder, eye sockets darker. */
    fut_vec3 flushed = {p->skin.x * 1.02F, p->skin.y * 0.82F, p->skin.z * 0.80F};
    float cheek_x = (fabsf(at->x) - p->eye_x - 0.08F) / 0.24F;
    float cheek_y = (at->y - p->nose_tip + 0.02F) / 0.24F;
    blend(at, flushed, 0.7F * fut_hill(sqrtf(cheek_x * cheek_x + cheek_y * cheek_y)));
    float socket_x = (fabsf(at->x) - p->eye_x) / (1.7F * p->eye_width);
    float socket_y = (at->y - p->eye_y + 0.03F) / (p->eye_height + 0.13F);
    blend(at, fut_scale(p->skin, 0.72F), 0.55F * fut_hill(sqrtf(socket_x * socket_x + socket_y * socket_y)));
    if (p->freckles > 0 && at->y > -0.2F && at->y < 0.5F) {
        float where = fut_hill(at->x / 0.75F) * fut_hill((at->y - 0.15F) / 0.4F);
        float dot = fut_synth_noise(at->x * 28, at->y * 28, p->texture);
        blend(at, (fut_vec3){p->skin.x * 0.66F, p->skin.y * 0.50F, p->skin.z * 0.40F},
              0.9F * where * fut_smoothstep(0.82F - 0.25F * p->freckles, 0.90F - 0.20F * p->freckles, dot));
    }
    for (int i = 0; i < p->n_moles; i++) {
        float dx = at->x - p->mole[i].x;
        float dy = at->y - p->mole[i].y;
        blend(at, fut_scale(p->skin, 0.28F), fut_coverage(at->m, sqrtf(dx * dx + dy * dy) - p->mole[i].z));
    }
}

static void draw_beard(point *at)
{
    const fut_synth_person *p = at->p;
    if (p->beard == FUT_BEARD_NONE || at->y < p->nose_tip - 0.25F) return;
    float grain = fut_synth_noise(at->x * 20, at->y * 12, p->texture + 1);
    fut_vec3 hair = fut_scale(p->hair, 0.65F + 0.35F * grain);
    float mouth_x = at->x / (p->mouth_width + 0.10F);
    float moustache_y = (at->y - (p->mouth_y - p->lip_upper - 0.055F) - 0.06F * mouth_x * mouth_x) / 0.06F;
    float moustache = fut_smoothstep(1, 0.7F, sqrtf(mouth_x * mouth_x + moustache_y * moustache_y));
    float around_y = (at->y - p->mouth_y) / (p->lip_lower + 0.10F);
    float bare = fut_smoothstep(1.05F, 0.9F, sqrtf(mouth_x * mouth_x + around_y * around_y));
    float chin_x = at->x / 0.24F;
    float chin_y = (at->y - 0.5F * (p->mouth_y + p->lip_lower + 1.12F)) / 0.24F;
    float goatee = fut_smoothstep(1, 0.8F, sqrtf(chin_x * chin_x + chin_y * chin_y)) * (1 - bare);
    float line = p->mouth_y + 0.08F - 1.3F * at->x * at->x;
    float full = fut_smoothstep(-0.03F, 0.05F, at->y - line) * (1 - bare);
    float grown = full > moustache ? full : moustache;
    switch (p->beard) {
    case FUT_BEARD_STUBBLE:
        blend(at, hair, 0.38F * grown * (0.6F + 0.6F * grain));
        break;
    case FUT_BEARD_MOUSTACHE:
        blend(at, hair, moustache);
        break;
    case FUT_BEARD_GOATEE:
        blend(at, hair, goatee > moustache ? goatee : moustache);
        break;
    case FUT_BEARD_FULL:
        blend(at, hair, 0.95F * grown);
        break;
    case FUT_BEARD_NONE:
        break;
    }
}

/* ---- nose and mouth ---- */

/* The nose stands out of the face, so its tip moves sideways as the head turns. */
static void draw_nose(point *at)
{
    const fut_synth_person *p = at->p;
    float top = p->eye_y - 0.05F;
    float along = (at->y - top) / (p->nose_tip - top);
    if (along < -0.1F || along > 1.5F) return;
    float out = p->nose_depth * fut_clampf(along, 0, 1);
    float x = at->x - out * fut_clampf(at->m->yaw_sin / at->m->yaw_cos, -0.8F, 0.8F);
    float half = p->nose_width * (0.45F + 0.55F * fut_clampf(along, 0, 1)) + 0.04F;
    float q = x / half;
    float fade = fut_smoothstep(-0.1F, 0.3F, along) * fut_smoothstep(1.22F, 1, along);
    if (fabsf(q) < 1) at->tilt_x += 3.2F * p->nose_depth / half * 0.4F * q * (1 - q * q) * fade;
    float tip_y = (at->y - p->nose_tip) / 0.09F;
    float tip = fut_hill(sqrtf(q * q * 1.5F + tip_y * tip_y));
    at->tilt_y += 1.2F * tip * tip_y;
    blend(at, (fut_vec3){p->skin.x, p->skin.y * 0.85F, p->skin.z * 0.82F}, 0.35F * tip);
    /* the shadow under it, and the nostrils */
    float under = (at->y - p->nose_tip - 0.075F) / 0.05F;
    blend(at, fut_scale(p->skin, 0.62F), 0.75F * fut_hill(q * 0.95F) * fut_hill(under));
    float nostril_x = (fabsf(x) - 0.48F * p->nose_width) / (0.32F * p->nose_width);
    float nostril_y = (at->y - p->nose_tip - 0.045F) / 0.028F;
    float nostril = sqrtf(nostril_x * nostril_x + nostril_y * nostril_y);
    blend(at, fut_scale(p->skin, 0.25F), 0.85F * fut_smoothstep(1.25F, 0.75F, nostril));
}

static void draw_mouth(point *at)
{
    const fut_synth_person *p = at->p;
    const fut_synth_moment *m = at->m;
    float half = p->mouth_width * (1 + 0.16F * m->smile);
    float x = at->x - 0.05F * m->yaw_sin;
    float q = x / half;
    if (fabsf(q) > 1.15F || fabsf(at->y - p->mouth_y) > 0.4F) return;
    float round = 1 - q * q;
    float middle = p->mouth_y + m->smile * 0.07F * (0.35F - q * q);
    float gap = 0.15F * m->mouth_open * (round > 0 ? round : 0);
    float upper = middle - 0.35F * gap;
    float lower = middle + 0.65F * gap;
    float bow = 1 - 0.30F * fut_hill(q * 4);
    float lip_top = upper - p->lip_upper * round * bow;
    float lip_bottom = lower + p->lip_lower * round;
    float lips = at->y - lip_bottom > lip_top - at->y ? at->y - lip_bottom : lip_top - at->y;
    float light = at->y > middle ? 1.05F : 0.86F;
    blend(at, fut_scale(p->lip, light), fut_coverage(m, lips));
    float shine_y = (at->y - lower - 0.45F * p->lip_lower) / (0.35F * p->lip_lower);
    blend(at, (fut_vec3){1, 0.92F, 0.9F}, 0.22F * fut_hill(q * 1.6F) * fut_hill(shine_y));
    if (m->mouth_open > 0) {
        float inside = at->y - lower > upper - at->y ? at->y - lower : upper - at->y;
        bool are_teeth = at->y < upper + 0.075F;
        fut_vec3 color = are_teeth ? (fut_vec3){0.90F, 0.88F, 0.84F} : (fut_vec3){0.25F, 0.07F, 0.08F};
        blend(at, color, fut_coverage(m, inside));
    }
    float line = fabsf(at->y - upper) - 0.010F * (1.1F - 0.6F * q * q);
    blend(at, fut_scale(p->lip, 0.35F), 0.8F * fut_coverage(m, line) * fut_smoothstep(1.12F, 1, fabsf(q)));
}

/* ---- eyes and brows; side is -1 or 1 ---- */

static void draw_eyeball(point *at, float x, float y, float inside, float side)
{
    const fut_synth_person *p = at->p;
    const fut_synth_moment *m = at->m;
    float shade = 0.80F + 0.20F * fut_smoothstep(-p->eye_height, 0, y);
    blend(at, fut_scale((fut_vec3){0.97F, 0.95F, 0.93F}, shade), inside);
    float gaze_x = side * fut_clampf(m->gaze_x, -0.45F, 0.45F) * p->eye_width;
    float gaze_y = fut_clampf(m->gaze_y, -0.3F, 0.3F) * p->eye_height;
    float dx = x - gaze_x;
    float dy = y + 0.15F * p->eye_height - gaze_y;
    float r = sqrtf(dx * dx + dy * dy) / p->iris_radius;
    if (r > 1.3F) return;
    float px = m->pixels * p->iris_radius;
    fut_vec3 iris = fut_scale(p->iris, (0.75F + 0.45F * r * r) * shade);
    iris = fut_mix(iris, fut_scale(p->iris, 0.35F), fut_smoothstep(0.80F, 0.95F, r));
    blend(at, iris, inside * fut_clampf(0.5F - (r - 1) * px, 0, 1));
    blend(at, (fut_vec3){0.02F, 0.02F, 0.02F}, inside * fut_clampf(0.5F - (r - 0.42F) * px, 0, 1));
    float glint_x = dx / p->iris_radius - 0.32F * side * (m->light.x > 0 ? 1.0F : -1.0F);
    float glint_y = dy / p->iris_radius + 0.35F;
    float glint = sqrtf(glint_x * glint_x + glint_y * glint_y);
    blend(at, (fut_vec3){1, 1, 1}, 0.9F * inside * fut_clampf(0.5F - (glint - 0.22F) * px, 0, 1));
}

static void draw_eye(point *at, float side)
{
    const fut_synth_person *p = at->p;
    const fut_synth_moment *m = at->m;
    float x = side * at->x - p->eye_x;
    float y = at->y - p->eye_y - p->eye_tilt * x;
    float q = x / p->eye_width;
    if (fabsf(q) > 1.3F || fabsf(y) > 2.2F * p->eye_height + 0.1F) return;
    float round = 1 - q * q;
    float lid = fut_clampf(m->lid[side > 0], 0, 1.2F);
    float upper = -p->eye_height * (1.25F * lid - 0.25F) * round;
    float lower = 0.55F * p->eye_height * round;
    float open = upper - y > y - lower ? upper - y : y - lower;
    draw_eyeball(at, x, y, fut_coverage(m, open), side);
    float lash = fabsf(y - upper + 0.3F * p->lash) - p->lash * (0.75F + 0.45F * q) * 0.8F;
    blend(at, (fut_vec3){0.07F, 0.05F, 0.05F}, 0.92F * fut_coverage(m, lash) * fut_smoothstep(1.18F, 1.0F, fabsf(q)));
    float under = fabsf(y - lower) - 0.006F;
    blend(at, fut_scale(p->skin, 0.5F), 0.6F * fut_coverage(m, under) * fut_smoothstep(1.05F, 0.9F, fabsf(q)));
    float crease = fabsf(y - upper * 1.05F + 0.055F) - 0.008F;
    blend(at, fut_scale(p->skin, 0.55F), 0.6F * fut_coverage(m, crease) * fut_smoothstep(1.1F, 0.8F, fabsf(q)));
}

static void draw_brow(point *at, float side)
{
    const fut_synth_person *p = at->p;
    const fut_synth_moment *m = at->m;
    float x = side * at->x - p->eye_x;
    float q = x / p->brow_length;
    if (fabsf(q) > 1.2F) return;
    float middle = p->brow_y - m->brow_raise - p->brow_arch * (1 - q * q) + (p->brow_tilt - m->brow_frown) * x;
    float half = p->brow_thickness * (1 - 0.55F * fut_smoothstep(-0.2F, 1, q));
    float edge = fabsf(at->y - middle) - half;
    fut_vec3 color = fut_mix(fut_scale(p->hair, 0.62F), (fut_vec3){0.10F, 0.07F, 0.05F}, 0.25F);
    blend(at, color, 0.92F * fut_coverage(m, edge) * fut_smoothstep(1.1F, 0.9F, fabsf(q)));
}

void fut_synth_face(const fut_synth_person *person, const fut_synth_moment *moment, fut_vec3 normal, fut_vec3 *color_out,
                    fut_vec3 *normal_out)
{
    point at = {.p = person, .m = moment, .x = normal.x * fut_synth_width(person, normal.y), .y = normal.y};
    draw_skin(&at);
    draw_beard(&at);
    draw_nose(&at);
    draw_mouth(&at);
    for (float side = -1; side <= 1; side += 2) {
        draw_eye(&at, side);
        draw_brow(&at, side);
    }
    *color_out = at.color;
    *normal_out = fut_unit((fut_vec3){normal.x + at.tilt_x, normal.y + at.tilt_y, normal.z});
}

void fut_synth_glasses(const fut_synth_person *person, const fut_synth_moment *moment, fut_vec3 normal, fut_vec3 *color)
{
    float x = normal.x * fut_synth_width(person, normal.y) - 0.06F * moment->yaw_sin;
    float y = normal.y - person->eye_y - 0.02F;
    float away = fabsf(x);
    float half_x = 0.92F * person->eye_x;
    float half_y = half_x * (0.72F + 0.25F * moment->glasses_roundness);
    float qx = (away - person->eye_x - 0.02F) / half_x;
    float qy = y / half_y;
    float round = sqrtf(qx * qx + qy * qy) - 1;
    float square = (fabsf(qx) > fabsf(qy) ? fabsf(qx) : fabsf(qy)) - 0.9F;
    float lens = (square + (round - square) * (0.3F + 0.7F * moment->glasses_roundness)) * half_x;
    float glass = fut_coverage(moment, lens);
    fut_vec3 tint = moment->are_glasses_dark ? (fut_vec3){0.08F, 0.08F, 0.10F} : (fut_vec3){0.92F, 0.95F, 1};
    *color = fut_mix(*color, tint, glass * (moment->are_glasses_dark ? 0.85F : 0.12F));
    float frame = fut_coverage(moment, fabsf(lens) - 0.018F);
    float bridge = fut_coverage(moment, fabsf(y + 0.02F) - 0.016F) * (away < person->eye_x - 0.8F * half_x ? 1.0F : 0.0F);
    float temple = fut_coverage(moment, fabsf(y + 0.02F) - 0.016F) * (away > person->eye_x + 0.9F * half_x ? 1.0F : 0.0F);
    float solid = frame > bridge ? frame : bridge;
    *color = fut_mix(*color, moment->glasses, solid > temple ? solid : temple);
}
