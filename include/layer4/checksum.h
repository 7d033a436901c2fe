/* The Internet checksum (RFC 1071): one's complement sum of 16-bit words.
 *
 * A partial sum ("sum") is a uint32_t accumulator in the machine's own byte order over data that
 * starts at an even offset; sums of consecutive pieces are joined by l4_csum_add. Only
 * l4_csum_fold turns it into the 16-bit value for a header, ready to be stored with memcpy. */
#ifndef LAYER4_CHECKSUM_H
#define LAYER4_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/addr.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sum of len bytes, added to sum. Any alignment. An odd last byte is padded with zero. */
L4_EXPORT uint32_t l4_csum_partial(const void *data, size_t len, uint32_t sum);
/* Copies len bytes and returns their sum added to sum. The regions must not overlap. */
L4_EXPORT uint32_t l4_csum_copy(void *dst, const void *src, size_t len, uint32_t sum);
/* Joins sums: sum of A followed by B, where A is `offset` bytes long (an odd length swaps B). */
L4_EXPORT uint32_t l4_csum_add(uint32_t a, uint32_t b, size_t offset);
/* Folds to 16 bits and complements; the result is in network order as stored in memory. */
L4_EXPORT uint16_t l4_csum_fold(uint32_t sum);
/* Pseudo-header of RFC 9293 3.1, RFC 768 and RFC 8200 8.1 (v4 or v6 by the addresses).
 * len is the length in bytes of the upper-layer packet. */
L4_EXPORT uint32_t l4_csum_pseudo(
    const struct l4_addr *src, const struct l4_addr *dst, uint8_t protocol, uint32_t len);
/* Incremental update (RFC 1624, equation 3): the checksum field (as stored) after a 16-bit word
 * of the packet changed from old_be to new_be (as stored). */
L4_EXPORT uint16_t l4_csum_update16(uint16_t csum, uint16_t old_be, uint16_t new_be);
L4_EXPORT uint16_t l4_csum_update32(uint16_t csum, uint32_t old_be, uint32_t new_be);

#ifdef __cplusplus
}
#endif
#endif
