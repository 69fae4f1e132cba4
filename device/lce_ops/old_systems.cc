// Two symbols that GCC's headers ask for and old systems lack. Defined here and hidden, they are not imported, and the
// library loads with glibc 2.17 and the libstdc++ of GCC 6, whatever it was built on.
#include <new>

#if defined(__GLIBCXX__)

namespace std {

// Of libstdc++ 11: called when a vector asks for more than the address space.
void __throw_bad_array_new_length() { throw bad_alloc(); }

}  // namespace std

// Of glibc 2.32: lets std::shared_ptr count without atomics. False is always right.
extern "C" char __libc_single_threaded = 0;

#endif
