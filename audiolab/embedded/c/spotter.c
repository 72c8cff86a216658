#include "spotter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS ((SPOTTER_MELS + 3) / 4)                   /* of a map: the first convolution takes every fourth point */
#define COLUMNS ((SPOTTER_FRAMES + 3) / 4)
#define POINTS (ROWS * COLUMNS)
#define FLOOR 1e-5f                                     /* of mel power, below which the logarithm is not taken */

static float re[SPOTTER_FFT], im[SPOTTER_FFT];          /* a frame, then its spectrum */
static uint8_t maps[SPOTTER_CHANNELS][POINTS];          /* what flows between layers: each works in place ... */
static uint8_t plane[POINTS], point[SPOTTER_CHANNELS];  /* ... on a copy of one map, or of one point of all maps */

/* ---- from samples to features, in floating point ------------------------------------------------------------- */

/* Why not in whole numbers: mel powers lie 70 dB apart, so that a transform of 16 bits would have to be scaled frame by
   frame, and 32-bit floats need no such care. It is a tenth of the work, and a Cortex-M4F has a unit for them. */

/* Fourier transform of re + i im in place (Cooley and Tukey, radix 2). im is 0 when it begins. */
static void transform(void)
{
    for (int i = 1, j = 0; i < SPOTTER_FFT; i++) {      /* j is i with its bits in reverse */
        int bit = SPOTTER_FFT / 2;
        for (; j & bit; bit /= 2)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            float swapped = re[i];
            re[i] = re[j];
            re[j] = swapped;
        }
    }
    for (int half = 1; half < SPOTTER_FFT; half *= 2)
        for (int k = 0; k < half; k++) {
            int turn = k * (SPOTTER_FFT / 2 / half);    /* exp(-2 pi i turn / SPOTTER_FFT), its sine from the cosines */
            float c = spotter_cosine[turn], s = -spotter_cosine[abs(turn - SPOTTER_FFT / 4)];
            for (int a = k; a < SPOTTER_FFT; a += 2 * half) {
                int b = a + half;
                float x = c * re[b] - s * im[b], y = c * im[b] + s * re[b];
                re[b] = re[a] - x;
                im[b] = im[a] - y;
                re[a] += x;
                im[a] += y;
            }
        }
}

/* The spectrum of the window that is centred on a sample. Before the first and after the last sample lie zeros. */
static void look(const int16_t *samples, long n, long centre)
{
    for (int i = 0; i < SPOTTER_FFT; i++) {
        long at = centre - SPOTTER_WINDOW / 2 + i;
        re[i] = im[i] = 0;
        if (i < SPOTTER_WINDOW && 0 <= at && at < n)
            re[i] = spotter_window[i] * (float)samples[at] / 32768;
    }
    transform();
}

static uint8_t code(int mel, float power)
{
    float value = spotter_gain[mel] * logf(power > FLOOR ? power : FLOOR) + spotter_offset[mel];
    return (uint8_t)((value < 0 ? 0 : value > 255 ? 255 : value) + 0.5f);
}

void spotter_features(const int16_t *samples, long n, uint8_t features[SPOTTER_MELS * SPOTTER_FRAMES])
{
    long frames = 1 + n / SPOTTER_HOP, first = (frames - SPOTTER_FRAMES) / 2;   /* below 0 where the clip is short */
    for (long t = 0; t < SPOTTER_FRAMES; t++) {
        const float *weight = spotter_mel;
        int heard = 0 <= first + t && first + t < frames;
        if (heard)
            look(samples, n, (first + t) * SPOTTER_HOP);
        for (int mel = 0; mel < SPOTTER_MELS; mel++) {
            float power = 0;
            for (int bin = spotter_bins[mel][0]; bin < spotter_bins[mel][1]; bin++)
                power += *weight++ * (re[bin] * re[bin] + im[bin] * im[bin]);
            features[mel * SPOTTER_FRAMES + t] = code(mel, heard ? power : 0);
        }
    }
}

/* ---- from features to scores, in whole numbers --------------------------------------------------------------- */

/* sum * multiplier / 2^shift, rounded, halves away from zero; no shift of a negative number, which C leaves open. */
static int32_t requantised(int32_t sum, int32_t multiplier, int shift)
{
    int64_t product = (int64_t)sum * multiplier, half = (int64_t)1 << (shift - 1);
    return (int32_t)(product < 0 ? -((half - product) >> shift) : (half + product) >> shift);
}

static uint8_t rectified(const spotter_layer *layer, int channel, int32_t sum)
{
    int32_t value = requantised(sum, layer->multiplier[channel], layer->shift[channel]);
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One channel of a convolution with one filter: from a map x, whose code for 0 is zero, to a map y. */
static void convolve(const spotter_layer *layer, int channel, int size, int stride,
                     const uint8_t *x, int rows, int columns, int zero, uint8_t *y)
{
    const int8_t *weights = layer->weights + channel * size * size;
    for (int row = 0; row < rows; row += stride)
        for (int column = 0; column < columns; column += stride) {
            int32_t sum = layer->bias[channel];
            for (int u = 0; u < size; u++)
                for (int v = 0; v < size; v++) {
                    int i = row + u - size / 2, j = column + v - size / 2;
                    if (0 <= i && i < rows && 0 <= j && j < columns)
                        sum += weights[u * size + v] * (x[i * columns + j] - zero);
                }
            *y++ = rectified(layer, channel, sum);
        }
}

int spotter_classify(const uint8_t features[SPOTTER_MELS * SPOTTER_FRAMES], int32_t scores[SPOTTER_CLASSES])
{
    const spotter_layer *layer = spotter_layers;
    for (int c = 0; c < SPOTTER_CHANNELS; c++)
        convolve(layer, c, 7, 4, features, SPOTTER_MELS, SPOTTER_FRAMES, SPOTTER_ZERO, maps[c]);
    for (int block = 0; block < SPOTTER_BLOCKS; block++) {
        layer++;                                        /* depthwise: each map with a filter of its own */
        for (int c = 0; c < SPOTTER_CHANNELS; c++) {
            memcpy(plane, maps[c], POINTS);
            convolve(layer, c, 3, 1, plane, ROWS, COLUMNS, 0, maps[c]);
        }
        layer++;                                        /* pointwise: a mixture of the maps at each point */
        for (int p = 0; p < POINTS; p++) {
            for (int c = 0; c < SPOTTER_CHANNELS; c++)
                point[c] = maps[c][p];
            for (int c = 0; c < SPOTTER_CHANNELS; c++) {
                const int8_t *weights = layer->weights + c * SPOTTER_CHANNELS;
                int32_t sum = layer->bias[c];
                for (int i = 0; i < SPOTTER_CHANNELS; i++)
                    sum += weights[i] * point[i];
                maps[c][p] = rectified(layer, c, sum);
            }
        }
    }
    layer++;                                            /* the last layer, on the sum of each map */
    memcpy(scores, layer->bias, sizeof(int32_t) * SPOTTER_CLASSES);
    for (int c = 0; c < SPOTTER_CHANNELS; c++) {
        int32_t total = 0;
        for (int p = 0; p < POINTS; p++)
            total += maps[c][p];
        for (int k = 0; k < SPOTTER_CLASSES; k++)
            scores[k] += layer->weights[k * SPOTTER_CHANNELS + c] * total;
    }
    int best = 0;
    for (int k = 0; k < SPOTTER_CLASSES; k++) {
        scores[k] = requantised(scores[k], layer->multiplier[k], layer->shift[k]);
        if (scores[k] > scores[best])
            best = k;
    }
    return best;
}
