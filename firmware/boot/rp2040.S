/* Second boot stage of the RP2040 (RP2040 datasheet, 2.8.1.3). The ROM copies the first 256 bytes of flash to the end of
 * the RAM, compares their CRC-32 with the last word, which the build computes, and jumps to them. They let the flash be
 * read as memory, then start the firmware through the vector table that follows them.
 *
 * The flash is read with the plain command 03h, one bit at a time, which every chip knows. A word takes 64 clocks of a
 * quarter of the core's rate: 31 MHz of at most 50. Code that is run again comes from the cache.
 */

#define VECTORS 0x10000100

/* Serial interface to the flash (RP2040 datasheet, 4.10.13). */
#define SSI 0x18000000
#define CTRLR0 0x00
#define CTRLR1 0x04
#define SSIENR 0x08
#define BAUDR 0x14
#define SPI_CTRLR0 0xF4

#define DIVIDER 4
#define FRAMES ((31 << 16) | (3 << 8))  /* frames of 32 bits; send a command and an address, then receive */
#define COMMAND ((0x03 << 24) | (2 << 8) | (6 << 2)) /* this command of 2 * 4 bits, an address of 6 * 4 bits */

    .syntax unified
    .cpu cortex-m0plus
    .thumb

    .section .boot_first, "ax"
    .global pqk_boot
    .type pqk_boot, %function
    .thumb_func
pqk_boot:
    ldr r0, ssi
    movs r1, #0
    str r1, [r0, #SSIENR]           /* settings can be changed while it is off */
    str r1, [r0, #CTRLR1]           /* one frame for each access */
    movs r1, #DIVIDER
    str r1, [r0, #BAUDR]
    ldr r1, frames
    str r1, [r0, #CTRLR0]
    ldr r1, command
    movs r2, #SPI_CTRLR0
    str r1, [r0, r2]
    movs r1, #1
    str r1, [r0, #SSIENR]

    ldr r0, vectors
    ldm r0!, {r1, r2}
    msr msp, r1
    bx r2

    .align 2
ssi:
    .word SSI
frames:
    .word FRAMES
command:
    .word COMMAND
vectors:
    .word VECTORS
    .org 252
    .word pqk_boot_checksum
    .size pqk_boot, . - pqk_boot
