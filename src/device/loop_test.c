/* Tests of the loop: a device that takes little at a time loses nothing and keeps the order, the
 * caller's descriptors are heard, and a device that is gone is told. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <layer4/err.h>
#include <layer4/loop.h>

/* A device without descriptor that takes `room` frames a call, every second call none, and notes
 * the last byte of each. */
struct narrow {
	struct l4_device d;
	int room;
	unsigned calls;
	int fail;
	unsigned taken;
	uint8_t last[512];
	unsigned closed;
};

static int narrow_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct narrow *t = (struct narrow *)d;
	(void)out, (void)max, (void)now;
	d->saved_errno = t->fail ? ENODEV : d->saved_errno;
	return t->fail;
}

static int narrow_tx(struct l4_device *d, const struct l4_frame *f, size_t n, l4_time now)
{
	struct narrow *t = (struct narrow *)d;
	(void)now;
	size_t room = t->calls++ & 1 ? 0 : (size_t)t->room;
	n = n < room ? n : room;
	for (size_t i = 0; i < n; i++) {
		const struct l4_piece *p = &f[i].pieces[f[i].n_pieces - 1];
		assert_true(t->taken < sizeof t->last);
		t->last[t->taken++] = ((const uint8_t *)p->data)[p->len - 1];
	}
	return (int)n;
}

static int no_fd(const struct l4_device *d)
{
	(void)d;
	return -1;
}

static l4_time never(const struct l4_device *d)
{
	(void)d;
	return L4_TIME_NEVER;
}

static void narrow_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	(void)d;
	memset(out, 0, sizeof *out);
	out->medium = L4_MEDIUM_IP;
	out->mtu = 1500;
}

static void narrow_close(struct l4_device *d)
{
	((struct narrow *)d)->closed++;
}

static const struct l4_device_ops narrow_ops = { .name = "narrow",
	.rx = narrow_rx,
	.tx = narrow_tx,
	.wait_fd = no_fd,
	.deadline = never,
	.caps = narrow_caps,
	.close = narrow_close };

static struct l4_host *new_host(struct l4_loop *l, struct narrow *n)
{
	struct l4_host_config c;
	struct l4_iface_config i = { .name = "n" };
	struct l4_host *h;
	struct l4_prefix p;
	l4_host_config_init(&c);
	c.has_seed = true;
	c.now = l4_loop_now(l);
	c.limits.queue_frames = 512;
	n->d.ops->caps(&n->d, &i.caps);
	assert_int_equal(l4_host_new(&h, &c), 0);
	assert_int_equal(l4_host_add_iface(h, &i, c.now), 1);
	assert_int_equal(l4_prefix_parse(&p, "192.0.2.1/24"), 0);
	assert_int_equal(l4_host_add_address(h, 1, &p, c.now), 0);
	assert_int_equal(l4_loop_add(l, h, 1, &n->d), 0);
	return h;
}

static void narrow_device_loses_nothing(void **state)
{
	(void)state;
	for (int room = 1; room <= 20; room += room < 4 ? 1 : 8) {
		struct narrow n = { .d = { .ops = &narrow_ops }, .room = room };
		struct l4_endpoint to = { .port = 9 };
		struct l4_loop *l;
		assert_int_equal(l4_loop_new(&l), 0);
		struct l4_host *h = new_host(l, &n);
		l4_ep ep = l4_udp_new(h, NULL);
		assert_int_equal(l4_addr_parse(&to.addr, "192.0.2.2"), 0);
		l4_time start = l4_loop_now(l), now = start;
		assert_int_equal(l4_udp_set(h, ep, L4_UDPOPT_SNDBUF, 1 << 20), 0);
		for (unsigned i = 0; i < 200; i++) {
			uint8_t byte = (uint8_t)i;
			assert_int_equal(l4_udp_send(h, ep, &to, &byte, 1, now), 1);
		}
		while (n.taken < 200 && now < start + 20 * L4_SEC) {
			assert_int_equal(l4_loop_once(l, now + L4_SEC), 0);
			now = l4_loop_now(l);
		}
		assert_int_equal(n.taken, 200);
		for (unsigned i = 0; i < 200; i++)
			assert_int_equal(n.last[i], i);
		l4_loop_free(l);
		assert_int_equal(n.closed, 1);
		l4_host_free(h);
	}
}

static struct l4_loop *heard_loop;
static int heard, other_end;

static void hear(void *ctx, int fd, short revents)
{
	char byte;
	assert_ptr_equal(ctx, &heard);
	assert_true(revents & POLLIN);
	assert_int_equal(read(fd, &byte, 1), 1);
	if (++heard == 2) { /* takes itself away, and another comes */
		assert_int_equal(l4_loop_watch(heard_loop, fd, 0, NULL, NULL), 0);
		assert_int_equal(l4_loop_watch(heard_loop, other_end, POLLIN, hear, &heard), 0);
	}
}

static void descriptors_are_heard(void **state)
{
	int a[2], b[2];
	struct l4_loop *l;
	(void)state;
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	assert_int_equal(l4_loop_new(&l), 0);
	heard_loop = l;
	heard = 0;
	other_end = b[0];
	assert_int_equal(l4_loop_watch(l, a[0], 0, NULL, NULL), L4_ENOTFOUND);
	assert_int_equal(l4_loop_watch(l, a[0], POLLIN, hear, &heard), 0);
	assert_int_equal(l4_loop_once(l, 0), 0);
	assert_int_equal(heard, 0);
	assert_int_equal(write(a[1], "xyz", 3), 3);
	assert_int_equal(l4_loop_once(l, L4_TIME_NEVER), 0);
	assert_int_equal(heard, 1);
	assert_int_equal(l4_loop_once(l, L4_TIME_NEVER), 0);
	assert_int_equal(heard, 2);
	assert_int_equal(l4_loop_once(l, 0), 0); /* "z" is not for us any more */
	assert_int_equal(heard, 2);
	assert_int_equal(write(b[1], "x", 1), 1);
	assert_int_equal(l4_loop_once(l, L4_TIME_NEVER), 0);
	assert_int_equal(heard, 3);
	l4_loop_free(l);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void lost_device_is_told(void **state)
{
	struct narrow n = { .d = { .ops = &narrow_ops }, .room = 16 };
	struct l4_loop *l;
	(void)state;
	assert_int_equal(l4_loop_new(&l), 0);
	struct l4_host *h = new_host(l, &n);
	assert_int_equal(l4_loop_once(l, 0), 0);
	n.fail = L4_ESYS;
	assert_int_equal(l4_loop_once(l, 0), L4_ESYS);
	assert_int_equal(n.d.saved_errno, ENODEV);
	l4_loop_free(l);
	l4_host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(narrow_device_loses_nothing),
		cmocka_unit_test(descriptors_are_heard),
		cmocka_unit_test(lost_device_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
