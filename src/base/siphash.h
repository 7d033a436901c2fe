/* SipHash (Aumasson and Bernstein, 2012): a keyed hash for tables that strangers fill, and for
 * secrets such as initial sequence numbers. Any layer may include this.
 *
 * 2-4 is the one to trust for secrets (ISN, cookies, ports); 1-3 is enough for hash tables, where
 * an attacker sees only timing. */
#ifndef L4_BASE_SIPHASH_H
#define L4_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define L4_TUPLE_LEN 36 /* two addresses of 16 bytes, two ports */

uint64_t l4_siphash24(const uint8_t key[16], const void *data, size_t len);
uint64_t l4_siphash13(const uint8_t key[16], const void *data, size_t len);
/* The same values for exactly L4_TUPLE_LEN bytes, unrolled: about half the time. */
uint64_t l4_siphash24_tuple(const uint8_t key[16], const void *tuple);
uint64_t l4_siphash13_tuple(const uint8_t key[16], const void *tuple);

#endif
