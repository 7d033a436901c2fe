/* What answers what: any bytes as a packet sent and one heard. The first byte chooses the link and
 * where the bytes are cut in two. */
#include <layer4/capfile.h>
#include <layer4/match.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t links[] = { L4_LINK_ETHERNET, L4_LINK_RAW };
	struct l4_match sent, heard;
	if (size < 2)
		return 0;
	uint16_t link = links[data[0] & 1];
	size_t cut = (size - 1) * (data[0] >> 1) / 127;
	int e = l4_match_sent(&sent, link, data + 1, cut);
	int how = l4_match_heard(&heard, link, data + 1 + cut, size - 1 - cut);
	if (!e && how != L4_MATCH_NONE && l4_match_is(&sent, &heard)) {
		/* What is an answer must be found by one of its keys. */
		if (sent.key != heard.key && sent.any_key != heard.any_key)
			abort();
	}
	if (!e && l4_match_is(&sent, &sent))
		abort(); /* a packet sent answers nothing */
	return 0;
}
