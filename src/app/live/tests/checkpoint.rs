//! A checkpoint while the API is followed: when it is served, trusted and written.

use super::*;

/// A file that is removed with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("tenantdns-follow-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Writes a checkpoint with a pod and its namespace, `age` old.
    fn write(&self, age: u64) {
        let mut index = Cluster::of(Vec::new(), "").empty_index();
        for object in [
            namespace("shop"),
            pod("shop", "a", "10.244.1.1".parse().unwrap()),
        ] {
            index.apply(Event::Apply(object));
        }
        let at = u64::from(crate::app::now()) - age;
        let header = Header {
            heard: Kind::ALL.into_iter().map(|kind| (kind, at)).collect(),
            node: None,
            kept: index.kept(),
        };
        let mut writer = Writer::create(&self.0, &header).unwrap();
        index.begin_copy();
        while let Some(step) = index.copy(10) {
            writer.copied(&step).unwrap();
            if matches!(step, Copied::Changes(_)) {
                break;
            }
        }
        writer.finish().unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap_or_default()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_api_a_checkpoint_is_served_with_its_age_until_lists_replace_it() {
    let file = File::new("served");
    file.write(600);
    let mut trial = Trial::start(|settings| {
        settings.checkpoint = Some(file.0.clone());
        settings.identity_max_age = Some(3600 * SECOND);
    });
    tokio::time::sleep(4 * SECOND).await;
    assert!(!trial.is_served());
    trial.until("ready", |trial| trial.state().ready).await;
    assert!(trial.is_served() && is_pod(&trial, "10.244.1.1") && !is_expired(&trial));
    let known = &trial.state().kinds(now())[&Kind::Pod];
    assert!(known.restored && !known.synced);
    let age = known.age.unwrap();
    assert!((600 * SECOND..620 * SECOND).contains(&age), "{age:?}");

    tokio::time::sleep(3100 * SECOND).await;
    assert!(is_expired(&trial), "it was ten minutes old already");

    trial.send(Event::Listing(Kind::Pod, Trust::Newer)).await;
    trial
        .send(Event::ApplyAt(
            pod("shop", "b", "10.244.1.2".parse().unwrap()),
            Version(7),
        ))
        .await;
    trial.sync(None).await;
    trial
        .until("the list", |trial| is_pod(trial, "10.244.1.2"))
        .await;
    trial.until("trust", |trial| !is_expired(trial)).await;
    assert!(!is_pod(&trial, "10.244.1.1"), "the list does not name it");
    assert!(!trial.state().kinds(now())[&Kind::Pod].restored);
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_too_old_is_never_trusted() {
    let file = File::new("old");
    file.write(4000);
    let trial = Trial::start(|settings| {
        settings.checkpoint = Some(file.0.clone());
        settings.identity_max_age = Some(3600 * SECOND);
    });
    while !trial.state().ready {
        assert!(!is_pod(&trial, "10.244.1.1"));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(is_pod(&trial, "10.244.1.1") && is_expired(&trial));
    // The API has been heard of; what it said has not been taken in yet.
    trial.hear(Kind::Pod, true);
    trial.hear(Kind::Namespace, true);
    tokio::time::sleep(5 * SECOND).await;
    assert!(is_expired(&trial));
    trial.sync(None).await;
    trial.until("trust", |trial| !is_expired(trial)).await;
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_of_no_use_is_not_served() {
    let file = File::new("refused");
    file.write(0);
    std::fs::write(&file.0, &file.text()[..200]).unwrap();
    let mut trial = Trial::start(|settings| settings.checkpoint = Some(file.0.clone()));
    tokio::time::sleep(30 * SECOND).await;
    assert!(!trial.is_served() && !trial.state().ready);
    assert_eq!(trial.state().objects.get(&Kind::Pod), None);
    trial.sync(None).await;
    trial.until("ready", |trial| trial.state().ready).await;
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_written_when_something_has_changed_and_at_the_end() {
    let file = File::new("written");
    let trial = Trial::start(|settings| settings.checkpoint = Some(file.0.clone()));
    trial.send(Event::Apply(namespace("shop"))).await;
    let writes = |trial: &Trial| trial.state().checkpoint.unwrap().writes;
    tokio::time::sleep(200 * SECOND).await;
    assert_eq!(
        writes(&trial),
        0,
        "what has not been read whole is not written"
    );
    trial.sync(None).await;
    trial.until("a file", |trial| writes(trial) == 1).await;
    assert!(file.text().contains("\"shop\""));

    trial.send(Event::Apply(namespace("bank"))).await;
    let start = now();
    trial.until("another", |trial| writes(trial) == 2).await;
    assert!(now() - start <= 76 * SECOND);
    assert!(file.text().contains("\"bank\""));

    // Nothing changes: the file is written anew now and then, so that its age is known.
    let start = now();
    trial.until("the same", |trial| writes(trial) == 3).await;
    assert!((300 * SECOND..=400 * SECOND).contains(&(now() - start)));

    trial.send(Event::Apply(namespace("last"))).await;
    trial
        .until("known", |trial| {
            trial.state().objects[&Kind::Namespace] == 3
        })
        .await;
    trial.end().await;
    assert!(file.text().contains("\"last\""));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_written_is_counted_and_tried_again() {
    let file = File::new("folder");
    let path = file.0.join("checkpoint");
    let trial = Trial::start(|settings| settings.checkpoint = Some(path));
    trial.sync(None).await;
    trial
        .until("an error", |trial| {
            trial.state().checkpoint.unwrap().errors == 1
        })
        .await;
    std::fs::create_dir(&file.0).unwrap();
    trial.send(Event::Apply(namespace("shop"))).await;
    trial
        .until("a file", |trial| {
            trial.state().checkpoint.unwrap().writes == 1
        })
        .await;
    trial.end().await;
    std::fs::remove_dir_all(&file.0).unwrap();
}
