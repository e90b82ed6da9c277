use std::sync::Mutex;

use user_info_api::config::UserInfoConfig;
use user_info_testing::wait::{check, eventually};

use super::*;

const STORES: &str = "users: {memory: true}\nviews: {memory: true}\n";

fn metrics() -> Metrics {
    Metrics::new(&prometheus::Registry::new()).expect("registers")
}

/// A config file being followed.
struct Followed {
    folder: tempfile::TempDir,
    live: Arc<Live<UserInfoConfig>>,
    applied: Arc<Mutex<Vec<i64>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Followed {
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, text).expect("writes");
        let config = config::load(&path).expect("valid");
        let live = Arc::new(Live::new(config, metrics()));
        let applied = Arc::new(Mutex::new(Vec::new()));
        let task = {
            let (live, applied) = (Arc::clone(&live), Arc::clone(&applied));
            tokio::spawn(async move { live.follow(&path, |_| {}, |c: &UserInfoConfig| applied.lock().unwrap().push(c.generation)).await })
        };
        Self { folder, live, applied, task }
    }

    /// Puts a new file in the old one's place, as editors do.
    fn replace(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).expect("writes");
        std::fs::rename(new, self.folder.path().join("config.yaml")).expect("renames");
    }

    async fn until(&self, what: &str, holds: impl Fn(&InForce<UserInfoConfig>) -> bool) {
        eventually(what, async || check(holds(&self.live.get()), self.live.get())).await;
    }
}

#[tokio::test]
async fn a_change_is_put_in_force_and_a_broken_one_is_not() {
    let followed = Followed::start(&format!("generation: 1\n{STORES}"));
    followed.replace(&format!("generation: 2\n{STORES}live: {{rateLimiter: {{requestsPerSecond: 5}}}}"));
    followed.until("a change", |s| s.generation == 2).await;
    assert_eq!(followed.live.get().config.live.rate_limiter.as_ref().expect("set").requests_per_second, 5);

    followed.replace(&format!("generation: 3\n{STORES}live: {{rateLimiter: {{requestsPerSecond: 0}}}}"));
    followed.until("a broken change", |s| s.problem.is_some()).await;
    let state = followed.live.get();
    assert_eq!(state.generation, 2);
    assert!(state.problem.as_deref().is_some_and(|p| p.contains("live.rateLimiter.requestsPerSecond: 0 is out of range")), "{state:?}");
    assert_eq!(followed.live.metrics.failures.get(), 1);

    followed.replace(&format!("generation: 4\n{STORES}"));
    followed.until("a mended change", |s| s.generation == 4 && s.problem.is_none()).await;
    assert_eq!(*followed.applied.lock().unwrap(), [2, 4]);
}

#[tokio::test]
async fn what_takes_a_restart_is_reported_and_not_put_in_force() {
    let followed = Followed::start(STORES);
    followed.replace(&format!("generation: 7\n{STORES}server: {{workers: 9}}"));
    followed.until("a change of the workers", |s| s.restart_needed).await;
    assert_eq!((followed.live.get().generation, followed.live.get().config.server.workers), (7, 0));
}

/// The kubelet swaps a link named `..data`; the file itself is a link through it.
#[tokio::test]
async fn a_config_map_is_followed_through_its_links() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let version = |n: i64| {
        let dir = folder.path().join(format!("..version{n}"));
        std::fs::create_dir(&dir).expect("makes a folder");
        std::fs::write(dir.join("config.yaml"), format!("generation: {n}\n{STORES}")).expect("writes");
        std::os::unix::fs::symlink(&dir, folder.path().join("..data_tmp")).expect("links");
        std::fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).expect("renames");
    };
    version(1);
    let path = folder.path().join("config.yaml");
    std::os::unix::fs::symlink("..data/config.yaml", &path).expect("links");
    let live: Arc<Live<UserInfoConfig>> = Arc::new(Live::new(config::load(&path).expect("valid"), metrics()));
    let following = Arc::clone(&live);
    let task = tokio::spawn(async move { following.follow(&path, |_| {}, |_| {}).await });
    version(2);
    let wait = async {
        while live.get().generation != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the new version is in force");
    task.abort();
}
