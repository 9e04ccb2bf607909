//! Opening a file by a path that a collection names, without ever leaving its folder.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

use crate::collection::check;

/// Opens the regular file at `path`, relative to `root`, for reading.
///
/// Each folder on the way is opened from the one before and never through a symbolic link, so that nothing that changes
/// meanwhile can lead out. (`root` itself may be a link: the user named it.)
pub(super) fn open(root: &Path, path: &str) -> io::Result<File> {
    if let Some(fault) = check::path_fault(path) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("the path `{path}` {fault}")));
    }
    let folder_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::openat(CWD, root, folder_flags, Mode::empty())?;
    let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
    for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
        folder = rustix::fs::openat(&folder, part, folder_flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    // Not blocking: a named pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(&folder, name, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{path}` is no regular file"))),
    }
}

/// Why the file at `path` cannot be served, in words; `None` if it can.
pub(super) fn fault(root: &Path, path: &str) -> Option<String> {
    let error = open(root, path).err()?;
    if is_link(&error) {
        return Some(format!("`{path}` is or passes a symbolic link: a collection holds its files itself"));
    }
    Some(match error.kind() {
        io::ErrorKind::NotFound => format!("the file `{path}` does not exist"),
        io::ErrorKind::InvalidInput => error.to_string(),
        _ => format!("the file `{path}` cannot be read: {error}"),
    })
}

fn is_link(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    let is = |errno: rustix::io::Errno| code == Some(errno.raw_os_error());
    is(rustix::io::Errno::LOOP) || is(rustix::io::Errno::NOTDIR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_inside_is_opened() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("mocks");
        std::fs::create_dir_all(root.join("bodies/sub")).unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        std::fs::write(root.join("bodies/a.bin"), "a").unwrap();
        std::os::unix::fs::symlink(outer.path().join("secret"), root.join("bodies/link")).unwrap();
        std::os::unix::fs::symlink(outer.path(), root.join("out")).unwrap();
        std::os::unix::fs::symlink("a.bin", root.join("bodies/inner")).unwrap();
        assert!(open(&root, "bodies/a.bin").is_ok());
        let absolute = outer.path().join("secret").display().to_string();
        for path in [
            absolute.as_str(),
            "../secret",
            "bodies/../../secret",
            "bodies/sub/../../../secret",
            "bodies/link",
            "bodies/inner",
            "out/secret",
            "bodies",
            "bodies/",
            "bodies//a.bin",
            "./bodies/a.bin",
            "bodies\\a.bin",
            "..\\secret",
            "C:/secret",
            "bodies/a.bin\0",
            "bodies/missing",
            "",
            ".",
            "..",
            "/",
        ] {
            assert!(open(&root, path).is_err(), "{path}");
            assert!(fault(&root, path).is_some(), "{path}");
        }
        assert!(fault(&root, "bodies/link").unwrap().contains("symbolic link"));
        assert!(fault(&root, "out/secret").unwrap().contains("symbolic link"));
    }

    #[test]
    fn a_pipe_does_not_block() {
        let root = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.path().join("pipe")).status();
        if made.is_ok_and(|status| status.success()) {
            assert!(open(root.path(), "pipe").is_err());
        }
    }
}
