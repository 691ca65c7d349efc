/* Text over the serial line. */
#ifndef PQK_TEXT_H
#define PQK_TEXT_H

#include <stdint.h>

void pqk_text(const char *text);

/* In decimals, without leading zeros. */
void pqk_text_number(uint32_t value);

/* The lowest `count` digits of a number in decimals, leading zeros included; at most 10. */
void pqk_text_digits(uint32_t value, uint32_t count);

/* Two hexadecimal digits. */
void pqk_text_hex(uint8_t byte);

/* CR LF. */
void pqk_text_end(void);

#endif
