//! The kind of CPU, on which the bits of libtorch's results depend: its kernels differ by instruction set, and the
//! matrix library beneath by vendor. The fused engine gives the same bits on every CPU.

use std::sync::LazyLock;

/// Such as `avx2, AuthenticAMD`: the widest instructions that libtorch's kernels use here, and the vendor.
pub(crate) fn kind() -> &'static str {
    static KIND: LazyLock<String> = LazyLock::new(|| {
        let vendor = vendor();
        let separator = if vendor.is_empty() { "" } else { ", " };
        format!("{}{separator}{vendor}", capability())
    });
    &KIND
}

/// As libtorch chooses: by the environment, or the widest that there is.
fn capability() -> String {
    let known = ["default", "avx2", "avx512"];
    if let Some(asked) =
        std::env::var("ATEN_CPU_CAPABILITY").ok().filter(|asked| known.contains(&asked.as_str()))
    {
        return asked;
    }
    widest().to_owned()
}

#[cfg(target_arch = "x86_64")]
fn widest() -> &'static str {
    let fma = is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    match () {
        () if avx512 && fma => "avx512",
        () if is_x86_feature_detected!("avx2") && fma => "avx2",
        () => "default",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn widest() -> &'static str {
    std::env::consts::ARCH
}

/// As the system calls it.
fn vendor() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = known.lines().find_map(|line| line.strip_prefix("vendor_id")?.split_once(':'));
    line.map(|(_, vendor)| vendor.trim().chars().filter(char::is_ascii_alphanumeric).collect())
        .unwrap_or_default()
}
