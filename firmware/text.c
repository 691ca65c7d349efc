#include "text.h"

#include "uart.h"

#define MOST_DIGITS 10u /* of a number of 32 bits */

void pqk_text(const char *text) {
    uint32_t count = 0;
    while (text[count]) {
        count++;
    }
    pqk_uart_write((const uint8_t *)text, count);
}

void pqk_text_digits(uint32_t value, uint32_t count) {
    uint8_t digits[MOST_DIGITS];
    for (uint32_t i = count; i > 0; i--) {
        digits[i - 1u] = (uint8_t)('0' + value % 10u);
        value /= 10u;
    }
    pqk_uart_write(digits, count);
}

void pqk_text_number(uint32_t value) {
    uint32_t count = 1;
    for (uint32_t rest = value / 10u; rest; rest /= 10u) {
        count++;
    }
    pqk_text_digits(value, count);
}

void pqk_text_hex(uint8_t byte) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t both[] = {(uint8_t)digits[byte >> 4], (uint8_t)digits[byte & 0xFu]};
    pqk_uart_write(both, sizeof both);
}

void pqk_text_end(void) {
    pqk_text("\r\n");
}
