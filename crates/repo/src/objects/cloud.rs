//! A store in the cloud, or in anything that speaks its protocol: S3 and Azure Blob.
//!
//! # Invariants
//!
//! - The client library never tries twice. It would repeat a create-only put whose connection
//!   broke behind the request, and then tell the writer of its own object that it exists. Trying
//!   again is [`Retrying`](super::Retrying)'s business, which knows what that means.
//! - At most [`REQUESTS_MAX`] requests are under way; whoever asks more waits.
//! - An object's size is looked at before its bytes are taken.
//! - A server that asks to be left alone for a while is, for half a minute at most.
//! - Nothing goes over plain HTTP unless the environment says so.
//!
//! The port blocks and the library does not: this adapter owns a small runtime (ADR 1).

use std::future::{Future, poll_fn};
use std::time::Duration;

use format::header::OBJECT_MAX;
use jiff::Timestamp;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, GetRange, ObjectStore as Client, ObjectStoreExt, PutMode,
    RetryConfig, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use self::outcome::outcome;
use self::pace::Paced;
use super::{ObjectInfo, ObjectStore, StoreError, check_name};

mod outcome;
mod pace;
#[cfg(test)]
mod tests;

/// The most requests under way at once: packs of every worker, and a few small objects.
pub const REQUESTS_MAX: usize = 16;
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may be silent in an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request may take: the largest pack at one megabit a second.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(180);

/// An object that is put to see when the server says it was. No object of a repository has such a
/// name, and no list shows it.
const CLOCK: &str = ".clock";

/// What kind of cloud store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudKind {
    /// S3, or what speaks it.
    S3,
    /// Azure Blob storage.
    Azure,
}

/// Where a cloud store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudPlace {
    /// What kind it is.
    pub kind: CloudKind,
    /// The bucket or container, which must be there.
    pub container: String,
    /// What all names of objects start with, without `/` at its ends. May be empty.
    pub prefix: String,
}

/// A store in a bucket of S3, or in a container of Azure Blob storage.
pub struct Cloud {
    client: Box<dyn Client>,
    prefix: String,
    permits: Semaphore,
    /// Taken only when the store is dropped.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cloud({}/{})", self.client, self.prefix)
    }
}

type Failed = object_store::Error;

enum Fetched {
    Bytes(Vec<u8>),
    TooLarge(u64),
}

impl Cloud {
    /// The store at `place`. Credentials, region and endpoint come from `environment` (names and
    /// values of variables), as the vendors' SDKs name them: `AWS_…` or `AZURE_…`. Asks nothing.
    ///
    /// # Errors
    ///
    /// The place or the environment cannot be understood.
    pub fn new(
        place: &CloudPlace,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let prefix = Path::parse(&place.prefix)
            .map_err(|_| StoreError::BadName { name: place.prefix.clone() })?;
        let client = match place.kind {
            CloudKind::S3 => s3(&place.container, environment),
            CloudKind::Azure => azure(&place.container, environment),
        };
        let failed =
            |source| StoreError::Io { operation: "open", name: place.container.clone(), source };
        let client = client.map_err(|error| failed(std::io::Error::other(error)))?;
        // Requests run on their callers' threads; this one keeps connections and timers.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Ok(Self {
            client,
            prefix: prefix.to_string(),
            permits: Semaphore::new(REQUESTS_MAX),
            runtime: Some(runtime.map_err(failed)?),
        })
    }

    /// Runs a request to its end, when its turn has come.
    fn run<T>(&self, request: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().expect("it is there until the store is dropped");
        runtime.block_on(async {
            let _permit = self.permits.acquire().await.expect("never closed");
            request.await
        })
    }

    fn path(&self, name: &str) -> Result<Path, StoreError> {
        check_name(name)?;
        Ok(self.whole(name))
    }

    fn whole(&self, name: &str) -> Path {
        let joined = format!("{}/{name}", self.prefix);
        Path::from(joined.trim_matches('/'))
    }

    async fn fetch(&self, path: &Path, range: Option<GetRange>) -> Result<Fetched, Failed> {
        let options = GetOptions { range, ..GetOptions::default() };
        let answer = self.client.get_opts(path, options).await?;
        let size = answer.range.end - answer.range.start;
        if size > OBJECT_MAX {
            return Ok(Fetched::TooLarge(size));
        }
        Ok(Fetched::Bytes(answer.bytes().await?.into()))
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait, and so may be dropped anywhere.
            runtime.shutdown_background();
        }
    }
}

impl ObjectStore for Cloud {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name)?;
        let payload = bytes.to_vec().into();
        let put = self.run(self.client.put_opts(&path, payload, PutMode::Create.into()));
        put.map(drop).map_err(|error| outcome("write", name, &error))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        match self.run(self.fetch(&path, None)) {
            Ok(Fetched::Bytes(bytes)) => Ok(bytes),
            Ok(Fetched::TooLarge(size)) => {
                Err(StoreError::TooLarge { name: name.to_owned(), size })
            }
            Err(error) => Err(outcome("read", name, &error)),
        }
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        let outside = || StoreError::Range { name: name.to_owned() };
        let end = match offset.checked_add(length).filter(|_| length <= OBJECT_MAX) {
            Some(end) if length > 0 => end,
            // HTTP has no range without bytes, and no object has more than there can be.
            end => {
                let size = self.size(name)?;
                let inside = end.is_some_and(|end| end <= size);
                return if inside { Ok(Vec::new()) } else { Err(outside()) };
            }
        };
        match self.run(self.fetch(&path, Some(GetRange::Bounded(offset..end)))) {
            Ok(Fetched::Bytes(bytes)) if bytes.len() as u64 == length => Ok(bytes),
            // It ends before; the server gave what there is.
            Ok(_) => Err(outside()),
            Err(error) => match outcome("read", name, &error) {
                // Servers have many ways to say so.
                StoreError::Io { .. } if self.size(name).is_ok_and(|size| size < end) => {
                    Err(outside())
                }
                failure => Err(failure),
            },
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let directory = prefix.rsplit_once('/').map_or("", |(directory, _)| directory);
        if !directory.is_empty() {
            check_name(directory)?;
        }
        let under = self.whole(directory);
        let root = self.whole("");
        let listed = self.run(async {
            let mut found = Vec::new();
            let mut objects = self.client.list(Some(&under).filter(|path| !path.is_root()));
            while let Some(object) = poll_fn(|context| objects.as_mut().poll_next(context)).await {
                let object = object?;
                let name = object.location.as_ref().strip_prefix(root.as_ref());
                let name = name.unwrap_or_default().trim_start_matches('/');
                if name.starts_with(prefix) && check_name(name).is_ok() {
                    found.push(ObjectInfo { name: name.to_owned(), size: object.size });
                }
            }
            Ok(found)
        });
        let mut found = listed.map_err(|error: Failed| outcome("list", prefix, &error))?;
        found.sort_unstable();
        Ok(found)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        let path = self.path(name)?;
        let head = self.run(self.client.head(&path));
        head.map(|about| about.size).map_err(|error| outcome("find", name, &error))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name)?;
        match self.run(self.client.delete(&path)) {
            Ok(()) => Ok(()),
            Err(error) => match outcome("delete", name, &error) {
                StoreError::NotFound { .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name)?;
        let payload = bytes.to_vec().into();
        let put = self.run(async {
            // Of the one that was looked at: a late request cannot bring back what was deleted.
            let about = self.client.head(&path).await?;
            let seen = UpdateVersion { e_tag: about.e_tag, version: about.version };
            self.client.put_opts(&path, payload, PutMode::Update(seen).into()).await
        });
        put.map(drop).map_err(|error| outcome("replace", name, &error))
    }

    /// When an object that is put now was put, says the server; in whole seconds.
    fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        let path = self.whole(CLOCK);
        let told = self.run(async {
            self.client
                .put_opts(&path, "what time is it?".into(), PutMode::Overwrite.into())
                .await?;
            let about = self.client.head(&path).await?;
            // It holds nothing, and whoever asks next puts it again.
            let _ = self.client.delete(&path).await;
            Ok(about.last_modified)
        });
        match told {
            Ok(at) => Ok(Timestamp::from_second(at.timestamp()).ok()),
            Err(error) => match outcome("write", CLOCK, &error) {
                // Somebody else asked meanwhile, and took it away.
                StoreError::NotFound { .. } | StoreError::Full { .. } => Ok(None),
                error => Err(error),
            },
        }
    }
}

/// How connections are made. `plain`: the environment allows HTTP without TLS.
fn options(plain: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
}

/// Once, and no more: see the invariants.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
}

fn s3(
    bucket: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Box<dyn Client>, Failed> {
    let mut builder = AmazonS3Builder::new();
    let mut plain = false;
    for (name, value) in environment {
        let Ok(key) = name.to_ascii_lowercase().parse() else { continue };
        match key {
            _ if !name.starts_with("AWS_") => {}
            // Of what shapes connections, only this: no switch turns certificates off.
            AmazonS3ConfigKey::Client(_) => plain |= name == "AWS_ALLOW_HTTP" && is_yes(&value),
            key => builder = builder.with_config(key, value),
        }
    }
    let builder = builder
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Not every server that speaks S3 has it.
        .with_disable_bulk_delete(true)
        .with_client_options(options(plain))
        .with_http_connector(Paced)
        .with_retry(once());
    Ok(Box::new(builder.build()?))
}

fn azure(
    container: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Box<dyn Client>, Failed> {
    let mut builder = MicrosoftAzureBuilder::new();
    let mut plain = false;
    for (name, value) in environment {
        let key = match name.as_str() {
            // The names that the Azure CLI gives them.
            "AZURE_STORAGE_ACCOUNT" => Ok(AzureConfigKey::AccountName),
            "AZURE_STORAGE_KEY" => Ok(AzureConfigKey::AccessKey),
            name => name.to_ascii_lowercase().parse(),
        };
        let Ok(key) = key else { continue };
        match key {
            _ if !name.starts_with("AZURE_") => {}
            AzureConfigKey::Client(_) => plain |= name == "AZURE_ALLOW_HTTP" && is_yes(&value),
            key => builder = builder.with_config(key, value),
        }
    }
    let builder = builder
        .with_container_name(container)
        .with_client_options(options(plain))
        .with_http_connector(Paced)
        .with_retry(once());
    Ok(Box::new(builder.build()?))
}
