/* The checksum's inner loop for aarch64. Pairwise add-and-widen keeps every carry: a 64-bit lane
 * takes two 32-bit words a step. */
#include "base/checksum_impl.h"

#if defined(__aarch64__) && defined(__ARM_NEON)

#include <arm_neon.h>

uint64_t l4_csum_neon(uint8_t *dst, const uint8_t *src, size_t len)
{
	uint64x2_t a[4] = { vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0) };
	for (; len >= 64; len -= 64) {
		for (int i = 0; i < 4; i++) {
			uint8x16_t v = vld1q_u8(src + 16 * i);
			if (dst)
				vst1q_u8(dst + 16 * i, v);
			a[i] = vpadalq_u32(a[i], vreinterpretq_u32_u8(v));
		}
		src += 64;
		dst = dst ? dst + 64 : dst;
	}
	for (int i = 0; i < 2 && len >= 32; i++) {
		uint8x16_t v = vld1q_u8(src + 16 * i);
		if (dst)
			vst1q_u8(dst + 16 * i, v);
		a[i] = vpadalq_u32(a[i], vreinterpretq_u32_u8(v));
	}
	return vaddvq_u64(vaddq_u64(vaddq_u64(a[0], a[1]), vaddq_u64(a[2], a[3])));
}

#endif
