/* Image definition of the RP2350 (RP2350 datasheet, 5.9.5): the ROM looks for it in the first 4 kB of flash. Here are no
 * more items than it needs: the image starts with its vector table, is not signed, and is the only one. */

#define BLOCK_START 0xFFFFDED3
#define BLOCK_END 0xAB123579

#define ITEM_IMAGE_TYPE 0x42
#define ITEM_LAST 0xFF

/* Image type: executable (1), for the secure state (2), for Arm (0), for the RP2350 (1). */
#define IMAGE_TYPE ((1 << 0) | (2 << 4) | (0 << 8) | (1 << 12))

    .section .boot_block, "a"
    .global pqk_boot_block
    .type pqk_boot_block, %object
    .align 2
pqk_boot_block:
    .word BLOCK_START
    .byte ITEM_IMAGE_TYPE
    .byte 1                         /* word of this item */
    .short IMAGE_TYPE
    .byte ITEM_LAST
    .short 1                        /* word of all items before it */
    .byte 0
    .word 0                         /* from here to the next block: there is none, so this one again */
    .word BLOCK_END
    .size pqk_boot_block, . - pqk_boot_block
