/* A TCG plugin for user-mode qemu: counts the guest instructions that each thread has executed.
 *
 *     qemu-aarch64 -plugin instructions.so,counters=COUNTERS ...
 *
 * COUNTERS becomes an array of SLOTS little-endian uint64, one per guest thread, mapped into qemu; the guest itself may
 * read the file at any time. One slot per thread, so that threads never wait for, or overwrite, each other.
 * Debian's qemu-user brings no header, so the few declarations that are needed stand here; they are the same in all
 * versions of qemu's plugin interface. API is that version: qemu refuses a plugin made for one it does not speak.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 4096
#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb; /* a translated block: instructions that run one after the other */
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*translated)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*executed)(unsigned, void *), int flags,
                                          void *argument);

EXPORT int qemu_plugin_version = API;
static volatile uint64_t *counters;

static void executed(unsigned thread, void *instructions)
{
    counters[thread % SLOTS] += (uintptr_t)instructions;
}

static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "counters=", 9) != 0)
            continue;
        int file = open(argv[i] + 9, O_RDWR | O_CREAT, 0600);
        if (file < 0 || ftruncate(file, SLOTS * sizeof *counters) != 0)
            return -1;
        void *mapped = mmap(NULL, SLOTS * sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (mapped == MAP_FAILED)
            return -1;
        counters = mapped;
    }
    if (!counters)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
