#include "cli/scan.h"
int scan_services_run(struct scan_job *j, const char *fingerprints, char *error, size_t cap)
{
	(void)j;
	(void)fingerprints;
	snprintf(error, cap, "not yet");
	return -1;
}
