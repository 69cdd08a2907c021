//! One writer at a time, by lock files.
//!
//! A lock file's name identifies its owner: `lock.<host>.<pid>.<start>.<random>`. A process that wants to own the
//! directory creates its file *first* and lists the others *afterwards*. If two processes do so at once, the later one
//! sees the file of the earlier one, so at most one finds itself alone. A process that sees a live process's file with
//! a name that sorts before its own gives up. The process with the first name looks again for a while, until the others
//! have given up; the file of an owner stays. A lock is never taken over: a file left by a process of this machine that
//! has ended is removed by any process that finds it, and any other file means that the directory has an owner.
//!
//! Containers may share a host name without seeing each other's processes. So an owner also holds a system lock on its
//! file while it lives, and a process removes a lock file only if it can take that lock itself. JavaScript in Node
//! cannot lock files; an owner there is known only by name.

use super::directory::{Folder, LOCK};
use super::process;
use crate::store::StoreError;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How many times, and at what interval, the process with the first name checks whether the others have given up.
const LOOKS: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// The right to change a directory, held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// Open while the right is held, and locked where the file system supports locks.
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Ignore the error: a file that cannot be removed becomes stale when this process ends.
        let _ = fs::remove_file(&self.path);
    }
}

/// Becomes the owner of the directory, unless it has another owner.
pub(super) fn claim(folder: &Folder) -> Result<Lock, StoreError> {
    let (own, lock) = make(folder)?;
    for look in 1.. {
        let Some((other, stays)) = first_other(folder, &own)? else { break };
        if (stays && other < own) || look == LOOKS {
            return Err(StoreError::Locked { by: owner(folder, &other) });
        }
        thread::sleep(PAUSE);
    }
    Ok(lock)
}

/// Creates a lock file for this process. Returns its name and the locked file.
fn make(folder: &Folder) -> Result<(String, Lock), StoreError> {
    for _ in 0..LOOKS {
        let own = own_name();
        let file = folder.create(&own)?;
        let lock = Lock { path: folder.path().join(&own), file };
        // Another process may believe that this one has ended and remove the file before it is locked. Then try another
        // name.
        if !is_held(&lock.file) && folder.is_still(&own, Some(&lock.file))? {
            return Ok((own, lock));
        }
    }
    Err(StoreError::failed(format!("somebody removes every lock that is made in {}", folder.path().display())))
}

/// Returns whether another holder has the system lock on this file. If not, this process has it from here on, where the
/// file system supports locks.
fn is_held(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Returns the other lock file whose name sorts first, and whether it is likely to stay. Removes files left by owners
/// that have ended. A file whose process seems to have ended may still be locked, by its owner or by a process that is
/// removing it; such a file is not likely to stay.
fn first_other(folder: &Folder, own: &str) -> Result<Option<(String, bool)>, StoreError> {
    let mut first: Option<(String, bool)> = None;
    for name in folder.names()?.into_iter().filter(|name| name.starts_with(LOCK) && name != own) {
        let stays = !is_stale(&name, &process::host());
        if !stays {
            // If the file is gone, another process has removed it. If it can be locked here, keep the lock until the
            // file is removed, because its owner may be about to lock it.
            let Some(file) = folder.open_to_lock(&name)? else { continue };
            if !is_held(&file) {
                folder.remove(&name)?;
                continue;
            }
        }
        if first.as_ref().is_none_or(|(first, _)| name < *first) {
            first = Some((name, stays));
        }
    }
    Ok(first)
}

fn own_name() -> String {
    let pid = std::process::id();
    let random = RandomState::new().build_hasher().finish() as u32;
    format!("{LOCK}{}.{pid}.{}.{random:08x}", process::host(), process::start_of(pid))
}

/// The fields of an owner's name: host, process (for Node on Linux possibly a thread) and start time. `None` for a name
/// that is not of this form.
fn fields(name: &str) -> Option<(&str, u32, u64)> {
    let mut fields = name.strip_prefix(LOCK)?.split('.');
    let (host, pid, start) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    fields.next()?;
    fields.next().is_none().then_some((host, pid, start))
}

/// Returns whether the owner has ended. Processes of other machines cannot be seen, so their files never become stale.
fn is_stale(name: &str, host: &str) -> bool {
    fields(name).is_some_and(|(its_host, pid, start)| its_host == host && !process::is_alive(pid, start))
}

fn owner(folder: &Folder, name: &str) -> String {
    let path = folder.path().join(name);
    let who = fields(name).map_or_else(
        || "whoever made the file".to_owned(),
        |(host, pid, _)| format!("process or thread {pid} on the machine {host:?}, which made the file"),
    );
    format!("{who} {0}; if nobody is there any more, remove {0}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_from_its_name() {
        let own = own_name();
        let (host, pid, start) = fields(&own).unwrap();
        assert_eq!((host, pid, start), (process::host().as_str(), std::process::id(), process::start_of(pid)));
        assert_ne!(own, own_name());
        assert_eq!(fields("lock.sea-lab.17.4242.0badcafe"), Some(("sea-lab", 17, 4242)));
        for other in ["lock.", "lock.a", "lock.a.b.1.2", "lock.a.1.2", "lock.a.1.2.3.4", "locka.1.2.3", "lock.a.-1.2.3"]
        {
            assert_eq!(fields(other), None, "{other}");
        }
    }

    #[test]
    fn only_who_is_known_to_have_ended_is_stale() {
        let (host, pid) = (process::host(), std::process::id());
        assert!(!is_stale(&own_name(), &host));
        assert!(!is_stale(&format!("lock.{host}.{pid}.0.0badcafe"), &host), "its start is not known");
        assert!(!is_stale("lock.elsewhere.999999999.1.0badcafe", &host), "another machine");
        assert!(!is_stale("lock.what-is-this", &host));
        if process::start_of(pid) != 0 {
            assert!(is_stale(&format!("lock.{host}.{pid}.1.0badcafe"), &host), "an earlier bearer of the number");
            assert!(is_stale(&format!("lock.{host}.999999999.1.0badcafe"), &host));
        }
    }
    /// One of several openers must get the directory, even while another opener removes the file of an ended owner.
    #[test]
    fn what_an_ended_owner_has_left_is_in_nobodys_way() {
        let path = std::env::temp_dir().join(format!("thermocline-lock-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let folder = Folder::new(&path);
        let left = format!("lock.{}.999999999.1.00000000", process::host());
        for _ in 0..50 {
            folder.create(&left).unwrap();
            let start = std::sync::Barrier::new(3);
            let come = || {
                start.wait();
                claim(&folder)
            };
            let outcomes: Vec<_> = thread::scope(|scope| {
                let all: Vec<_> = (0..3).map(|_| scope.spawn(come)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        }
        fs::remove_dir_all(&path).unwrap();
    }
}
