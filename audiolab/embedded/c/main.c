/* The keyword spotter on a computer: names the word in each WAV file, mono, 16 bits, at SPOTTER_RATE.

       spotter [--features] FILE ...

   prints a line for each file: the keyword, every score in logits, the file. With --features a line of the codes that
   the network was given stands before it. A file that cannot be used is named on stderr, and the others are read all
   the same; the exit code is then 1, or 2 where no file is named.

   The network sees the middle SPOTTER_FRAMES hops of a clip, about two thirds of a second. A word of which no more than
   a second and a half was recorded may be there; a longer clip is refused, for its word may be elsewhere. */

#include <stdio.h>
#include <string.h>

#include "spotter.h"

#define LONGEST (3 * SPOTTER_RATE / 2)                  /* samples of a clip, which holds one word */
#define SEEN ((SPOTTER_FRAMES - 1) * SPOTTER_HOP + SPOTTER_WINDOW)              /* ... and those of one picture */
#define PCM 1                                           /* kinds of numbers in a WAV file: whole ones ... */
#define EXTENSIBLE 0xFFFE                               /* ... and those whose kind stands farther behind */
#define STREAMED 0xFFFFFFFF                             /* size of a piece whose writer did not know where it ends */

static int16_t samples[LONGEST];
static uint8_t features[SPOTTER_MELS * SPOTTER_FRAMES];
static int32_t scores[SPOTTER_CLASSES];

static long refused(const char *path, const char *why, unsigned long found, unsigned long wanted)
{
    fprintf(stderr, "spotter: %s ", path);
    fprintf(stderr, why, found, wanted);
    fputc('\n', stderr);
    return -1;
}

static unsigned long number(const unsigned char *bytes, int n)          /* the least significant byte comes first */
{
    unsigned long value = 0;
    while (n--)
        value = value << 8 | bytes[n];
    return value;
}

static long words(FILE *file, const char *path, unsigned long size)     /* samples, the rest of a file: how many */
{
    unsigned char bytes[2];
    unsigned long n = 0;
    while ((n < size / 2 || size == STREAMED) && fread(bytes, 1, 2, file) == 2) {
        long value = (long)number(bytes, 2);
        if (n == LONGEST)
            return refused(path, "is longer than %lu ms, and the network sees %lu ms: cut the word out.",
                           1000 * LONGEST / SPOTTER_RATE, 1000 * SEEN / SPOTTER_RATE);
        samples[n++] = (int16_t)(value < 32768 ? value : value - 65536);
    }
    if (n < size / 2 && size != STREAMED)
        return refused(path, "is cut off: %lu of %lu samples are there.", n, size / 2);
    if (!n)
        return refused(path, "holds no samples.", 0, 0);
    return (long)n;
}

static long wav(FILE *file, const char *path)           /* how many samples have been read, or -1 */
{
    unsigned char head[12], format[40];
    int known = 0;
    if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4))
        return refused(path, "is no WAV file.", 0, 0);
    while (fread(head, 1, 8, file) == 8) {
        unsigned long size = number(head + 4, 4), left = size + size % 2;       /* pieces begin at even places */
        if (known && !memcmp(head, "data", 4))
            return words(file, path, size);
        if (!memcmp(head, "fmt ", 4)) {
            unsigned long taken = size < sizeof format ? size : sizeof format, kind;
            if (size < 16 || fread(format, 1, taken, file) != taken)
                break;
            kind = number(format, 2);
            if (kind == EXTENSIBLE && taken == sizeof format)
                kind = number(format + 24, 2);
            if (kind != PCM || number(format + 14, 2) != 16)
                return refused(path, "holds %lu bits a sample of kind %lu: save it as 16-bit PCM.",
                               number(format + 14, 2), kind);
            if (number(format + 2, 2) != 1)
                return refused(path, "has %lu channels: mix it down to one.", number(format + 2, 2), 0);
            if (number(format + 4, 4) != SPOTTER_RATE)
                return refused(path, "has %lu samples a second: resample it to %lu.",
                               number(format + 4, 4), SPOTTER_RATE);
            known = 1;
            left -= taken;
        }
        while (left && getc(file) != EOF)
            left--;
    }
    return refused(path, "is cut off before its samples.", 0, 0);
}

static long opened(const char *path)
{
    FILE *file = fopen(path, "rb");
    long n = file ? wav(file, path) : refused(path, "cannot be opened: is it there?", 0, 0);
    if (file)
        fclose(file);
    return n;
}

int main(int argc, char **argv)
{
    int shown = argc > 1 && !strcmp(argv[1], "--features"), code = 0;
    if (argc < 2 + shown) {
        fputs("usage: spotter [--features] FILE ...\n", stderr);
        return 2;
    }
    for (int i = 1 + shown; i < argc; i++) {
        long n = opened(argv[i]);
        if (n < 0) {
            code = 1;
            continue;
        }
        spotter_features(samples, n, features);
        for (int j = 0; shown && j < SPOTTER_MELS * SPOTTER_FRAMES; j++)
            printf("%d%c", features[j], j + 1 < SPOTTER_MELS * SPOTTER_FRAMES ? ' ' : '\n');
        printf("%s", spotter_labels[spotter_classify(features, scores)]);
        for (int k = 0; k < SPOTTER_CLASSES; k++)
            printf("\t%s %.3f", spotter_labels[k], scores[k] / 256.0);
        printf("\t%s\n", argv[i]);
    }
    return code;
}
