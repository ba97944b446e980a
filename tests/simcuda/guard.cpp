// Lets a build of torch without CUDA switch "streams" of tensors whose device is cuda: there is nothing to switch.
#include <c10/core/impl/DeviceGuardImplInterface.h>
static c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA> impl;
extern "C" void install() { c10::impl::device_guard_impl_registry[(size_t)c10::DeviceType::CUDA].store(&impl); }
