/* Runs the case whose number is given on clips from stdin. For each clip and step, the input's
 * first, prints the number of damaged bytes and what was written. */
#include <stdio.h>
#include <stdlib.h>

#include "battery.h"
#include "cases.h"

static void print(const battery_case *test, int32_t step, uint32_t damaged) {
    uint32_t size;
    const uint8_t *written = battery_written(test, step, &size);
    fwrite(&damaged, sizeof damaged, 1, stdout);
    fwrite(written, 1, size, stdout);
}

int main(int count, char **arguments) {
    static uint8_t clip[BATTERY_INPUT];
    const long number = count == 2 ? strtol(arguments[1], NULL, 10) : -1;
    if (number < 0 || number >= (long)BATTERY_CASES) {
        return 2;
    }
    const battery_case *test = battery_cases[number];
    while (fread(clip, 1, test->input_bytes, stdin) == test->input_bytes) {
        print(test, -1, battery_begin(test, clip));
        for (uint32_t step = 0; step < test->steps; step++) {
            print(test, (int32_t)step, battery_run(test, step));
        }
    }
    return 0;
}
