// A libcuda.so.1 that knows one device and writes down, a JSON object a line in $FAKE_CUDA_LOG, what
// it is asked to load, to allow, to encode and to launch. It runs nothing; every function it does
// not know is "not supported". Signatures: cuda.h, CUDA driver API 13.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

#define API extern "C" int

namespace {
constexpr int NOT_SUPPORTED = 801, INVALID_VALUE = 1, INVALID_IMAGE = 200, INVALID_CONTEXT = 201;
int refuse() { return NOT_SUPPORTED; }
void write_down(const std::string& line) {
  const char* path = std::getenv("FAKE_CUDA_LOG");
  std::FILE* file = path ? std::fopen(path, "a") : nullptr;
  if (!file) return;
  std::fprintf(file, "{%s}\n", line.c_str());
  std::fclose(file);
}
template <class T> std::string list(const T* values, unsigned count) {
  std::ostringstream out;
  for (unsigned i = 0; i < count; i++) out << (i ? ", " : "[") << values[i];
  return count ? out.str() + "]" : "[]";
}
std::string hex(const void* bytes, size_t count) {
  std::string out;
  char two[3];
  for (size_t i = 0; i < count; i++) {
    std::snprintf(two, sizeof two, "%02x", static_cast<const unsigned char*>(bytes)[i]);
    out += two;
  }
  return '"' + out + '"';
}
int context, library, kernel;
thread_local void* current = nullptr;  // a new thread has none
}  // namespace

API cuInit(unsigned) { return 0; }
API cuDriverGetVersion(int* version) { return *version = 13000, 0; }
API cuGetErrorName(int, const char** name) { return *name = "CUDA_ERROR_OF_THE_FAKE", 0; }
API cuGetErrorString(int, const char** text) { return *text = "refused by the fake", 0; }
API cuGetExportTable(const void**, const void*) { return NOT_SUPPORTED; }
API cuDeviceGetCount(int* count) { return *count = 1, 0; }
API cuDeviceGet(int* device, int index) { return *device = index, 0; }
API cuDeviceGetAttribute(int* value, int, int) { return *value = 9, 0; }
API cuDevicePrimaryCtxRetain(void** to, int) { return *to = &context, 0; }
API cuDevicePrimaryCtxRelease(int) { return 0; }
API cuCtxGetCurrent(void** to) { return *to = current, 0; }
API cuCtxSetCurrent(void* to) { return current = to, 0; }
API cuCtxGetDevice(int* device) { return *device = 0, current ? 0 : INVALID_CONTEXT; }
API cuCtxPushCurrent(void* to) { return current = to, 0; }
API cuCtxPopCurrent(void** to) { return *to = current, 0; }
API cuLibraryLoadData(void** to, const void* code, void*, void*, unsigned, void*, void*, unsigned) {
  return *to = &library, std::memcmp(code, "\x7f" "ELF", 4) ? INVALID_IMAGE : 0;
}
API cuLibraryUnload(void*) { return 0; }
API cuLibraryGetKernel(void** to, void* from, const char* name) {
  if (from != &library) return INVALID_VALUE;
  write_down("\"loaded\": \"" + std::string(name) + "\"");
  return *to = &kernel, 0;
}
API cuKernelGetLibrary(void** to, void*) { return *to = &library, 0; }
API cuKernelSetAttribute(int attribute, int value, void*, int device) {
  std::ostringstream out;
  out << "\"attribute\": " << attribute << ", \"value\": " << value << ", \"device\": " << device;
  write_down(out.str());
  return value > 232448 ? INVALID_VALUE : 0;  // sm_90 gives a block 227 KiB
}
API cuTensorMapEncodeTiled(void* to, int type, unsigned rank, void* address, const uint64_t* sizes,
                           const uint64_t* strides, const unsigned* box, const unsigned* steps,
                           int interleave, int swizzle, int promotion, int fill) {
  std::ostringstream out;
  out << "\"map\": " << reinterpret_cast<uint64_t>(address) << ", \"type\": " << type
      << ", \"sizes\": " << list(sizes, rank) << ", \"strides\": " << list(strides, rank - 1)
      << ", \"box\": " << list(box, rank) << ", \"steps\": " << list(steps, rank)
      << ", \"swizzle\": " << swizzle << ", \"rest\": [" << interleave << ", " << promotion << ", "
      << fill << "]";
  write_down(out.str());
  if (reinterpret_cast<uint64_t>(to) % 64) return INVALID_VALUE;  // its documentation asks for it
  std::memset(to, 0x5a, 128);
  return box[0] > 256 ? INVALID_VALUE : 0;
}
// $FAKE_CUDA_PARAMETERS: the sizes of the kernel's parameters, which a real driver reads in it.
API cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void* stream, void** parameters, void**) {
  const unsigned grid[] = {x, y, z}, block[] = {bx, by, bz};
  std::ostringstream out;
  out << "\"grid\": " << list(grid, 3) << ", \"block\": " << list(block, 3)
      << ", \"shared\": " << shared << ", \"stream\": " << reinterpret_cast<uint64_t>(stream)
      << ", \"known\": " << (function == &kernel ? "true" : "false") << ", \"parameters\": [";
  const char* said = std::getenv("FAKE_CUDA_PARAMETERS");
  std::istringstream sizes(said ? said : "");
  size_t size, i = 0;
  while (sizes >> size) {
    out << (i ? ", " : "") << hex(parameters[i], size);
    i++;
  }
  out << "]";
  write_down(out.str());
  return current ? bx > 1024 ? INVALID_VALUE : 0 : INVALID_CONTEXT;
}

#define KNOWN(f) \
  if (!std::strcmp(name, #f)) *to = reinterpret_cast<void*>(&f);
API cuGetProcAddress_v2(const char* name, void** to, int, uint64_t, int* found) {
  *to = reinterpret_cast<void*>(&refuse);
  KNOWN(cuInit) KNOWN(cuDriverGetVersion) KNOWN(cuGetErrorName) KNOWN(cuGetErrorString)
  KNOWN(cuDeviceGetCount) KNOWN(cuDeviceGet) KNOWN(cuDeviceGetAttribute)
  KNOWN(cuDevicePrimaryCtxRetain) KNOWN(cuDevicePrimaryCtxRelease) KNOWN(cuCtxGetCurrent)
  KNOWN(cuCtxSetCurrent) KNOWN(cuCtxGetDevice) KNOWN(cuCtxPushCurrent) KNOWN(cuCtxPopCurrent)
  KNOWN(cuLibraryLoadData) KNOWN(cuLibraryUnload) KNOWN(cuLibraryGetKernel)
  KNOWN(cuKernelGetLibrary) KNOWN(cuKernelSetAttribute) KNOWN(cuTensorMapEncodeTiled)
  KNOWN(cuLaunchKernel)
  if (found) *found = 0;
  return 0;
}
API cuGetProcAddress(const char* name, void** to, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, to, version, flags, nullptr);
}
