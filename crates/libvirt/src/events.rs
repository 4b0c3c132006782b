//! libvirt's event loop, and its events as messages.
//!
//! The loop runs on a thread of its own for the life of the process. Callbacks run on that
//! thread: they only copy what they were given and hand it on; no call to libvirt is made there,
//! because it could wait for the very thread it is made on.

use std::ffi::{c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::OnceLock;
use std::thread;

use api::helper::Event;
use virt_sys as sys;

use crate::ffi::{Connection, LibvirtError, borrowed, uuid_of};

/// What libvirt takes any callback as.
type Generic = sys::virConnectDomainEventGenericCallback;

/// Takes events. Called on the loop's thread.
type Taker = Box<dyn Fn(Event) + Send + Sync>;

/// There is one event loop per process in libvirt, so there is one taker.
static TAKER: OnceLock<Taker> = OnceLock::new();

/// Makes libvirt quiet on stderr and starts its event loop. Before any connection is opened.
pub fn start_loop() -> Result<(), LibvirtError> {
    // SAFETY: both are process-wide switches, thrown before any other call to libvirt.
    let registered = unsafe {
        sys::virSetErrorFunc(ptr::null_mut(), Some(ignore_error));
        sys::virEventRegisterDefaultImpl()
    };
    if registered < 0 {
        return Err(LibvirtError::own("libvirt's event loop could not be registered"));
    }
    thread::spawn(|| {
        loop {
            // SAFETY: the implementation is registered, and only this thread runs it.
            unsafe { sys::virEventRunDefaultImpl() };
        }
    });
    Ok(())
}

/// Hands `connection`'s events to `taker`, once per process.
pub fn subscribe(connection: &Connection, taker: Taker) -> Result<(), LibvirtError> {
    if TAKER.set(taker).is_err() {
        return Err(LibvirtError::own("events are already taken"));
    }
    // SAFETY: libvirt calls each callback with the signature that belongs to its event id; the
    // transmutation only forgets it. All are pointers to functions, where null is `None`.
    unsafe {
        let lifecycle =
            transmute::<sys::virConnectDomainEventCallback, Generic>(Some(on_lifecycle));
        let agent =
            transmute::<sys::virConnectDomainEventAgentLifecycleCallback, Generic>(Some(on_agent));
        let io_error = transmute::<sys::virConnectDomainEventIOErrorReasonCallback, Generic>(Some(
            on_io_error,
        ));
        let any = [
            (sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle),
            (sys::VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, agent),
            (sys::VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, io_error),
        ];
        for (id, callback) in any {
            let id = id as c_int;
            let done = sys::virConnectDomainEventRegisterAny(
                connection.raw,
                ptr::null_mut(),
                id,
                callback,
                ptr::null_mut(),
                None,
            );
            if done < 0 {
                return Err(LibvirtError::own("libvirt gives no events"));
            }
        }
        sys::virConnectRegisterCloseCallback(connection.raw, Some(on_close), ptr::null_mut(), None);
    }
    Ok(())
}

fn hand_on(event: Event) {
    if let Some(taker) = TAKER.get() {
        taker(event);
    }
}

unsafe extern "C" fn ignore_error(_: *mut c_void, _: sys::virErrorPtr) {}

unsafe extern "C" fn on_lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _: c_int,
    _: c_int,
    _: *mut c_void,
) -> c_int {
    if let Ok(domain) = uuid_of(domain) {
        hand_on(Event::Lifecycle { domain });
    }
    0
}

unsafe extern "C" fn on_agent(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    state: c_int,
    _: c_int,
    _: *mut c_void,
) {
    let up = sys::VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED;
    if let Ok(domain) = uuid_of(domain) {
        hand_on(Event::Agent { domain, connected: u32::try_from(state) == Ok(up) });
    }
}

unsafe extern "C" fn on_io_error(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    source: *const c_char,
    _: *const c_char,
    _: c_int,
    reason: *const c_char,
    _: *mut c_void,
) {
    // SAFETY: libvirt's texts live during the callback.
    let text = |text| unsafe { borrowed(text) }.unwrap_or_default();
    if let Ok(domain) = uuid_of(domain) {
        hand_on(Event::IoError { domain, source: text(source), reason: text(reason) });
    }
}

unsafe extern "C" fn on_close(_: sys::virConnectPtr, _: c_int, _: *mut c_void) {
    hand_on(Event::Disconnected);
}
