//! Identifies this process, and checks whether another one still runs. On Linux, thread ids share the number space of
//! process ids and are checked in the same way: the locks of Node's worker threads use them.

use std::fs;
use std::path::Path;

/// The machine's name, reduced to the characters `a-z`, `0-9` and `-`.
pub(super) fn host() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let said = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let variables = ["HOSTNAME", "COMPUTERNAME"].iter().filter_map(|name| std::env::var(name).ok());
    said.chain(variables).map(|name| plain(&name)).find(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

fn plain(name: &str) -> String {
    let legal = |character: &char| matches!(character, 'a'..='z' | '0'..='9' | '-');
    name.to_lowercase().chars().filter(legal).collect()
}

/// Returns when a process or thread started, in kernel ticks, or 0 if unknown. Process ids are reused; the start time
/// distinguishes the processes that had the same id.
pub(super) fn start_of(pid: u32) -> u64 {
    stat(pid).map_or(0, |stat| stat.start)
}

/// Returns whether the process or thread with this id and start time still runs. Returns true when in doubt.
pub(super) fn is_alive(pid: u32, start: u64) -> bool {
    match stat(pid) {
        Some(stat) => !stat.has_ended && (start == 0 || stat.start == start),
        // A /proc that shows process 1 also shows the processes of other users.
        None if is_ours() && Path::new("/proc/1").exists() => Path::new(&format!("/proc/{pid}")).exists(),
        None => is_found(pid),
    }
}

struct Stat {
    /// Whether the process has ended but not yet been reaped by its parent. It then holds nothing any more.
    has_ended: bool,
    start: u64,
}

/// Returns whether /proc shows the processes that this one sees. In another /proc, this one's id may be a stranger's.
fn is_ours() -> bool {
    fs::read_link("/proc/self").is_ok_and(|link| link.to_str() == Some(std::process::id().to_string().as_str()))
}

fn stat(pid: u32) -> Option<Stat> {
    if !is_ours() {
        return None;
    }
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses /proc/<pid>/stat. The second field is the program's name in parentheses, which may itself contain blanks and
/// parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    // The state is field 3, the start is field 22.
    let start = fields.nth(18)?.parse().ok()?;
    Some(Stat { has_ended: matches!(state, "Z" | "X"), start })
}

/// Asks the `kill` command, because a system call would require `unsafe`. A failure does not mean that there is no such
/// process: it may belong to another user.
#[cfg(unix)]
fn is_found(pid: u32) -> bool {
    let asked = std::process::Command::new("kill").args(["-0", &pid.to_string()]).env("LC_ALL", "C").output();
    asked.map_or(true, |answer| {
        answer.status.success() || !String::from_utf8_lossy(&answer.stderr).contains("No such process")
    })
}

#[cfg(not(unix))]
fn is_found(_: u32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_an_earlier_bearer_of_its_number_is_not() {
        let pid = std::process::id();
        let start = start_of(pid);
        assert!(is_alive(pid, start) && is_alive(pid, 0));
        if start != 0 {
            assert!(!is_alive(pid, start + 1));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_process_that_has_ended_is_not_alive() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (pid, start) = (child.id(), start_of(child.id()));
        assert!(is_alive(pid, start) && is_found(pid));
        child.kill().unwrap();
        while start != 0 && is_alive(pid, start) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_alive(pid, start) && !is_alive(pid, 0) && !is_found(pid));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_is_alive_until_it_ends() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let name = fs::read_link("/proc/thread-self").unwrap();
            tell.send(name.file_name().unwrap().to_str().unwrap().parse().unwrap()).unwrap();
            ended.recv().unwrap_err();
        });
        let number: u32 = told.recv().unwrap();
        let start = start_of(number);
        assert!(number != std::process::id() && start > 0 && is_alive(number, start));
        assert!(!is_alive(number, start + 1));
        drop(end);
        thread.join().unwrap();
        // The kernel may need a moment after the join.
        while is_alive(number, start) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_fields_of_a_process_are_found_behind_any_name() {
        let rest = (4..=25).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        for name in ["sh", "a b", ") Z 1 (", "1 (2) 3"] {
            let running = parse_stat(&format!("17 ({name}) S {rest}")).unwrap();
            assert_eq!((running.start, running.has_ended), (22, false), "{name}");
            assert!(parse_stat(&format!("17 ({name}) Z {rest}")).unwrap().has_ended);
        }
        for text in ["", "17", "17 (sh)", "17 (sh) S", "17 (sh) S 1 2 3"] {
            assert!(parse_stat(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_host_is_a_part_of_a_file_name() {
        assert_eq!(plain("Sea.Lab_7-b\n"), "sealab7-b");
        let host = host();
        assert!(!host.is_empty() && host == plain(&host));
    }
}
