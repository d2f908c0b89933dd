/* The yardstick of `neurojax bench engine`: the loop of stiff.py by hand, on one core.

   Lanes (one a device) run at their own times through the whole waveform; a finished one makes room for the next
   device. _bench_c.py writes "sizes.h" (real, how many of
   what, the constants of the control) and "device.h" (hoist, take_step, find_slopes: what knows the device). L holds what a lane keeps, one row a number;
   a lane is moved by copying a column. */
#include <float.h>
#include <string.h>

#define EACH _Pragma("omp simd") for (int l = 0; l < n; l++)
#define ABS(x) ((real)fabs(x))
#define WIDTH 16

#include "sizes.h"

/* Numbers near underflow take a hundred times longer; XLA flushes them to zero too. */
#ifdef __SSE__
#include <xmmintrin.h>
#define FLUSH unsigned flags = _mm_getcsr(); _mm_setcsr(flags | 0x8040)
#define RESTORE _mm_setcsr(flags)
#else
#define FLUSH
#define RESTORE
#endif

/* The functions of vectors hand arguments that over- or underflow to slow scalar ones. Below ln(EPSILON / 8) expm1
   is -1 to rounding. Not constants, or the compiler would pull them out of the call; not a number goes through. */
real exp_least = -EXP_RANGE, exp_most = EXP_RANGE, expm1_least = EXPM1_LEAST;
static inline real within(real x, real lo, real hi) { return x < lo ? lo : x > hi ? hi : x; }
static inline real soft_exp(real x) { return EXP(within(x, exp_least, exp_most)); }
static inline real soft_expm1(real x) { return EXPM1(within(x, expm1_least, exp_most)); }

/* Where all is finite; larger and smaller let pass what is not a number. */
static inline real above(real a, real b) { return a > b ? a : b; }
static inline real below(real a, real b) { return a < b ? a : b; }

/* 1 for what is not finite: by its bits. */
static inline real broken(real x) {
    bits pattern = ((union { real number; bits pattern; }){x}).pattern;
    return (pattern & EXPONENT) == EXPONENT ? 1 : 0;
}

enum {
    TAU, REST, H, PREVIOUS, LENGTH, MOST, WINDOW, NEXT, STARTING,
    V, SLOPE = V + PORTS, BEYOND = SLOPE + PORTS,
    Y = BEYOND + PORTS, F = Y + STATES, J = F + STATES, D = J + STATES * STATES,
    PAR = D + STATES * PORTS, ROWS = PAR + PARAMS + HOISTED
};
#define LANES __attribute__((aligned(64)))
static real L[ROWS][BLOCK] LANES;
/* Of one round: the point at which rates are asked for, what comes out, and the stages. */
static real Y1[STATES][BLOCK] LANES, V1[PORTS][BLOCK] LANES;
static real F1[STATES][BLOCK] LANES, J1[STATES * STATES][BLOCK] LANES, D1[STATES * PORTS][BLOCK] LANES;
static real U[6][STATES][BLOCK] LANES, DRIFT[STATES][BLOCK] LANES, INVERSE[STATES * STATES][BLOCK] LANES;
static real NEW[STATES][BLOCK] LANES, BEND[STATES][BLOCK] LANES, TWIST[STATES][BLOCK] LANES;
static real SIZE[BLOCK] LANES, END[BLOCK] LANES, OK[BLOCK] LANES, ERROR[BLOCK] LANES, WRONG[BLOCK] LANES;
static real STIFF0[BLOCK] LANES, STIFF1[BLOCK] LANES;
static long id[BLOCK], at[BLOCK], sample[BLOCK];
static int tried[BLOCK];

#include "device.h"

typedef struct {
    long devices, segments, samples, window;
    const double *start, *length, *ts;
    const real *v, *slope, *beyond, *par, *y0;
    double rtol, atol, horizon;
    int max_steps;
    real *out;
    int *steps, *code;
} Job;

static void point_at_samples(const Job *job, int l) {
    long s = sample[l], last = s + job->window - 1;
    double start = job->start[at[l]];
    L[NEXT][l] = s < job->samples ? (real)(job->ts[s] - start) : HUGE_REAL;
    L[WINDOW][l] = job->window > 0 && last < job->samples ? (real)(job->ts[last] - start) : HUGE_REAL;
}

static void enter_segment(const Job *job, int l) {
    long k = at[l];
    L[TAU][l] = L[REST][l] = 0;
    L[LENGTH][l] = (real)job->length[k];
    L[MOST][l] = HUGE_REAL;
    for (int p = 0; p < PORTS; p++) {
        L[V + p][l] = job->v[k * PORTS + p];
        L[SLOPE + p][l] = job->slope[k * PORTS + p];
        L[BEYOND + p][l] = job->beyond[k * PORTS + p];
        if (L[SLOPE + p][l] != 0) L[MOST][l] = (real)RAMP * L[LENGTH][l];
    }
    point_at_samples(job, l);
}

static void enter_device(const Job *job, int l, long device) {
    id[l] = device;
    at[l] = sample[l] = tried[l] = 0;
    L[STARTING][l] = 1;
    L[PREVIOUS][l] = 0;
    for (int j = 0; j < PARAMS; j++) L[PAR + j][l] = job->par[j * job->devices + device];
    for (int i = 0; i < STATES; i++) L[Y + i][l] = job->y0[i * job->devices + device];
    for (int i = F; i < PAR; i++) L[i][l] = 0;
    hoist(l);
    enter_segment(job, l);
    L[H][l] = (real)1e-3 * L[LENGTH][l];
}

/* How far this step may go, and whether that is the end of the segment. */
static void choose_size(int n) {
    EACH {
        real left = L[LENGTH][l] - L[TAU][l], size = below(L[H][l], L[MOST][l]);
        real window = L[WINDOW][l] - L[TAU][l];
        size = size > (real)0.95 * left ? left : size;
        size = (window > 0) & (window < size) ? window : size;
        END[l] = size >= left ? 1 : 0;
        SIZE[l] = size >= left ? left : size;
    }
}

static void stiffness(int n, real (*jacobian)[BLOCK], real *out) {
    for (int i = 0; i < STATES; i++) {
        EACH {
            real sum = ABS(jacobian[i * STATES][l]);
            for (int k = 1; k < STATES; k++) sum += ABS(jacobian[i * STATES + k][l]);
            out[l] = i ? above(out[l], sum) : sum;
        }
    }
}

/* Error and change of stiffness of the step; whether it counts; the next size. */
static void judge(int n, real rtol, real atol) {
    for (int i = 0; i < STATES; i++) {
        EACH {
            real allowed = atol + rtol * above(ABS(L[Y + i][l]), ABS(NEW[i][l]));
            real error = ABS(U[5][i][l]) / allowed, lost = broken(U[5][i][l]) + broken(F1[i][l]) + broken(NEW[i][l]);
            ERROR[l] = i ? above(ERROR[l], error) : error;
            WRONG[l] = i ? WRONG[l] + lost : lost;
        }
    }
    stiffness(n, L + J, STIFF0);
    stiffness(n, J1, STIFF1);
    EACH {
        real scale = (real)GAMMA * SIZE[l];
        real growth = ABS(LOG((1 + scale * STIFF1[l]) / (1 + scale * STIFF0[l])));
        growth = END[l] > 0 ? 0 : growth;
        real wrong = WRONG[l] + broken(growth);
        real floored = above(ERROR[l], (real)1e-8);
        real error = wrong > 0 ? (real)1e8 : floored;
        real ok = error <= 1 ? 1 - L[STARTING][l] : 0;
        ok = growth <= (real)(1.5 * GROWTH) ? ok : 0;
        real logarithm = LOG(error);
        real grow = (real)0.9 * EXP((real)-0.175 * logarithm + (real)0.1 * L[PREVIOUS][l]);
        grow = below(grow, (real)GROWTH / (growth + (real)1e-30));
        grow = below(above(grow, (real)0.2), 6);
        real back = below(grow, (real)0.9);
        grow = ok > 0 ? grow : back;
        grow = wrong > 0 ? (real)0.1 : grow;
        /* a step cut short by a knot or a sample says nothing against the longer one */
        real before = L[H][l], size = SIZE[l] * grow, least = ok * (grow > 1 ? before : 0);
        size = above(size, least);
        L[H][l] = L[STARTING][l] > 0 ? before : size;
        L[PREVIOUS][l] = ok > 0 ? logarithm : L[PREVIOUS][l];
        OK[l] = ok;
    }
}

/* The samples within an accepted step, by its dense output. */
static void emit(const Job *job, int l) {
    double start = job->start[at[l]], tau = L[TAU][l], h = SIZE[l];
    while (sample[l] < job->samples) {
        double t = job->ts[sample[l]], since = t - start - tau;
        if (since > h + 4 * EPSILON * (fabs(t) + L[LENGTH][l])) break;
        real s = (real)fmin(fmax(since / h, 0.0), 1.0);
        real *out = job->out + (id[l] * job->samples + sample[l]) * STATES;
        for (int i = 0; i < STATES; i++)
            out[i] = L[Y + i][l] * (1 - s) + s * (NEW[i][l] + (1 - s) * (BEND[i][l] + s * TWIST[i][l]));
        sample[l]++;
    }
    point_at_samples(job, l);
}

static void commit(int n) {
    EACH {
        real moved = SIZE[l] + L[REST][l], tau = L[TAU][l] + moved;
        real rest = moved - (tau - L[TAU][l]);
        L[REST][l] = OK[l] > 0 ? rest : L[REST][l];
        L[TAU][l] = OK[l] > 0 ? tau : L[TAU][l];
    }
    for (int i = 0; i < STATES; i++) EACH L[Y + i][l] = OK[l] > 0 ? NEW[i][l] : L[Y + i][l];
    for (int i = 0; i < STATES; i++) EACH L[F + i][l] = OK[l] + L[STARTING][l] > 0 ? F1[i][l] : L[F + i][l];
    for (int i = 0; i < STATES * STATES; i++)
        EACH L[J + i][l] = OK[l] + L[STARTING][l] > 0 ? J1[i][l] : L[J + i][l];
    for (int i = 0; i < STATES * PORTS; i++)
        EACH L[D + i][l] = OK[l] + L[STARTING][l] > 0 ? D1[i][l] : L[D + i][l];
}

/* 1 when the lane is through with its device, at the end or for good. */
static int turn_page(const Job *job, int l) {
    int ended = OK[l] > 0 && END[l] > 0, code = 0;
    real smallest = (sizeof(real) == 8 ? (real)1e-20 : (real)1e-14) * L[LENGTH][l];
    tried[l]++;
    if (!ended && L[STARTING][l] == 0 && SIZE[l] < smallest) code = 2;
    if (ended) at[l]++;
    int last = at[l] == job->segments;
    if (!last && tried[l] >= job->max_steps) code = 1;
    L[STARTING][l] = 0;
    if (ended && !last) enter_segment(job, l);
    if (!last && !code) return 0;
    for (; last && sample[l] < job->samples; sample[l]++)
        for (int i = 0; i < STATES; i++) job->out[(id[l] * job->samples + sample[l]) * STATES + i] = L[Y + i][l];
    job->steps[id[l]] = tried[l];
    job->code[id[l]] = code;
    return 1;
}

static void move_lane(int to, int from) {
    for (int j = 0; j < ROWS; j++) L[j][to] = L[j][from];
    OK[to] = OK[from], END[to] = END[from], SIZE[to] = SIZE[from];
    id[to] = id[from], at[to] = at[from], sample[to] = sample[from], tried[to] = tried[from];
}

/* All devices from the first knot to the last; returns the rounds (attempted steps of a block of lanes). */
long integrate(const Job *job) {
    long following = 0, rounds = 0;
    int active = 0;
    FLUSH;
    memset(L, 0, sizeof L);
    for (; active < BLOCK && following < job->devices; active++) enter_device(job, active, following++);
    for (; active; rounds++) {
        int n = (active + WIDTH - 1) / WIDTH * WIDTH;
        choose_size(n);
        take_step(n);
        find_slopes(n);
        judge(n, (real)job->rtol, (real)job->atol);
        real reach = 4 * (real)EPSILON * (real)job->horizon;
        for (int l = 0; l < active; l++)
            if (OK[l] > 0 && L[NEXT][l] - L[TAU][l] <= SIZE[l] + reach) emit(job, l);
        commit(n);
        for (int l = 0; l < active; l++)
            while (l < active && turn_page(job, l)) {
                if (following < job->devices) {
                    enter_device(job, l, following++);
                    break;
                }
                if (--active > l) move_lane(l, active);
                else break;
            }
    }
    RESTORE;
    return rounds;
}
