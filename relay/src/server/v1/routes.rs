//! The routes of `/v1`: a table that maps a method, a path and a body to one request frame.
//!
//! Nothing here decides anything: what a route does, and every rule and limit, is in the operation
//! that its frame names. Where two rows have the same method and path, the first that fits counts.

use crate::client::json;
use crate::client::request::Fields;
use crate::server::v1::problem::Problem;
use crate::server::v1::target::{decoded, parameter, segments};

/// One row.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// A segment in braces is a member of the frame.
    pub(super) path: &'static str,
    pub(super) op: &'static str,
    /// Further members of the frame, as they are written in it.
    fixed: &'static str,
    /// How `{user}` of the path enters the frame.
    user: User,
    /// Members that the query may have.
    pub(super) query: &'static [Parameter],
    pub(super) body: Body,
    when: When,
}

/// A parameter of a query: the name of a member, and how it is written.
#[derive(Clone, Copy)]
pub(super) enum Parameter {
    Text(&'static str),
    Number(&'static str),
}

impl Parameter {
    pub(super) fn name(self) -> &'static str {
        let (Parameter::Text(name) | Parameter::Number(name)) = self;
        name
    }
}

/// What a body becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// It is not read.
    None,
    /// Its members are members of the frame.
    Members,
    /// The whole is the member `set`.
    Set,
}

/// What `{user}` of a path becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    /// The member `user`.
    Member,
    /// Nothing: the caller.
    Caller,
    /// The only entry of the list `users`.
    List,
    /// The member `room`: the user's personal room.
    Room,
}

/// When a row counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// `{user}` is the caller, and the body has no member `role`.
    OneselfWithoutRole,
}

const ROW: Route = Route {
    method: "GET",
    path: "",
    op: "",
    fixed: "",
    user: User::Member,
    query: &[],
    body: Body::None,
    when: When::Always,
};

/// The parameters of a page.
const PAGE: &[Parameter] = &[Parameter::Text("cursor"), Parameter::Number("count")];

macro_rules! routes {
    ($($method:ident $path:literal $op:literal $({ $($field:ident: $value:expr),* $(,)? })?;)*) => {
        /// The table.
        pub(super) const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method),
            path: $path,
            op: $op,
            $($($field: $value,)*)?
            ..ROW
        }),*];
    };
}

routes! {
    GET "rooms" "rooms" {
        query: &[Parameter::Text("match"), Parameter::Text("cursor"), Parameter::Number("count")],
    };
    GET "rooms/{room}" "room";
    PATCH "rooms/{room}" "room" { body: Body::Set };
    GET "rooms/{room}/messages" "history" {
        query: &[
            Parameter::Text("before"),
            Parameter::Text("after"),
            Parameter::Text("around"),
            Parameter::Number("count"),
        ],
    };
    POST "rooms/{room}/messages" "send" { body: Body::Members };
    PATCH "rooms/{room}/messages/{id}" "edit" { body: Body::Members };
    DELETE "rooms/{room}/messages/{id}" "delete" { query: &[Parameter::Text("reason")] };
    PUT "rooms/{room}/messages/{id}/reactions/{emoji}" "react";
    DELETE "rooms/{room}/messages/{id}/reactions/{emoji}" "react" { fixed: r#""remove":true"# };
    GET "rooms/{room}/members" "members" {
        query: &[Parameter::Text("cursor"), Parameter::Number("count"), Parameter::Text("prefix")]
    };
    PUT "rooms/{room}/members/{user}" "join" {
        user: User::Caller,
        body: Body::Members,
        when: When::OneselfWithoutRole,
    };
    PUT "rooms/{room}/members/{user}" "mod" { fixed: r#""action":"role""#, body: Body::Members };
    DELETE "rooms/{room}/members/{user}" "leave" {
        user: User::Caller,
        when: When::OneselfWithoutRole,
    };
    DELETE "rooms/{room}/members/{user}" "mod" {
        fixed: r#""action":"kick""#,
        query: &[Parameter::Text("reason")],
    };
    GET "rooms/{room}/who" "who" { query: PAGE };
    GET "rooms/{room}/sanctions" "sanctions" { query: PAGE };
    POST "rooms/{room}/mod" "mod" { body: Body::Members };
    POST "rooms/{room}/signal" "signal" { body: Body::Members };
    PUT "rooms/{room}/read" "read" { body: Body::Members };
    GET "inbox" "inbox" { query: PAGE };
    POST "unread" "unread" { body: Body::Members };
    POST "online" "online" { body: Body::Members };
    GET "users/{user}" "profiles" { user: User::List };
    PATCH "users/{user}" "room" { user: User::Room, body: Body::Set };
}

impl Route {
    /// The names in braces of its path, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(in_braces)
    }

    fn fits(&self, segments: &[&str]) -> bool {
        let mut own = self.path.split('/');
        let same = segments.iter().all(|segment| {
            own.next().is_some_and(|own| match in_braces(own) {
                Some(_) => !segment.is_empty(),
                None => own == *segment,
            })
        });
        same && own.next().is_none()
    }
}

fn in_braces(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// The rows of one method and path.
pub(super) struct Found<'p> {
    rows: Vec<&'static Route>,
    segments: Vec<&'p str>,
}

/// Finds the rows of this request. Errors: 404, 405.
pub(super) fn find<'p>(method: &str, path: &'p str) -> Result<Found<'p>, Problem> {
    let segments = segments(path).ok_or_else(Problem::no_path)?;
    let fitting: Vec<&Route> = ROUTES.iter().filter(|route| route.fits(&segments)).collect();
    // HEAD is GET without its body, which the server leaves out.
    let method = if method == "HEAD" { "GET" } else { method };
    let rows: Vec<_> = fitting.iter().copied().filter(|route| route.method == method).collect();
    match (fitting.is_empty(), rows.is_empty()) {
        (true, _) => Err(Problem::no_path()),
        (_, true) => Err(Problem::method(methods(&fitting))),
        _ => Ok(Found { rows, segments }),
    }
}

/// The path in the table that this path fits.
pub(super) fn pattern(path: &str) -> Option<&'static str> {
    let segments = segments(path)?;
    ROUTES.iter().find(|route| route.fits(&segments)).map(|route| route.path)
}

/// The methods of a path, as the header `Allow` lists them. `None`: there is no such path.
pub(super) fn allowed(path: &str) -> Option<String> {
    let segments = segments(path)?;
    let fitting: Vec<&Route> = ROUTES.iter().filter(|route| route.fits(&segments)).collect();
    (!fitting.is_empty()).then(|| methods(&fitting))
}

fn methods(routes: &[&Route]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for route in routes {
        if !names.contains(&route.method) {
            names.push(route.method);
        }
        if route.method == "GET" && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    names.join(", ")
}

impl Found<'_> {
    /// Whether the request's body is read.
    pub(super) fn has_body(&self) -> bool {
        self.rows.iter().any(|route| route.body != Body::None)
    }

    /// Whether it sends a message, so that the header `Idempotency-Key` counts.
    pub(super) fn sends(&self) -> bool {
        self.rows.iter().any(|route| route.op == "send")
    }

    /// The frame of this request. `caller`: the user that it acts as; `nonce`: that of a message.
    pub(super) fn frame(
        &self,
        query: &str,
        body: &str,
        caller: &str,
        nonce: Option<&str>,
    ) -> Result<String, Problem> {
        let fields: Fields<'_> = match body {
            "" => Fields::default(),
            body => serde_json::from_str(body)
                .map_err(|_| Problem::invalid("json", "not a JSON object"))?,
        };
        let row = self.rows.iter().find(|route| self.counts(route, &fields, caller));
        let route = row.ok_or_else(Problem::no_path)?;
        let mut frame = Frame::of(route);
        for (own, segment) in route.path.split('/').zip(&self.segments) {
            let Some(name) = in_braces(own) else { continue };
            let value = decoded(segment, name)?;
            match (name, route.user) {
                ("user", User::Caller) => {}
                ("user", User::List) => frame.member("users", &json::write(&[&*value])),
                ("user", User::Room) => frame.member("room", &json::write(&format!("@{value}"))),
                _ => frame.member(name, &json::write(&*value)),
            }
        }
        for part in route.query {
            let Some(value) = parameter(query, part.name())? else { continue };
            match part {
                Parameter::Number(name) if is_number(&value) => frame.member(name, &value),
                // For the operation to refuse, if it is to be a number.
                _ => frame.member(part.name(), &json::write(&*value)),
            }
        }
        match route.body {
            Body::None => {}
            Body::Set if body.is_empty() => frame.member("set", "{}"),
            Body::Set => frame.member("set", body),
            Body::Members => frame.members(route, &fields)?,
        }
        if let Some(nonce) = nonce {
            frame.member("nonce", &json::write(nonce));
        }
        Ok(frame.finish())
    }

    fn counts(&self, route: &Route, body: &Fields<'_>, caller: &str) -> bool {
        match route.when {
            When::Always => true,
            When::OneselfWithoutRole => {
                let names = route.path.split('/').zip(&self.segments);
                let user = names.filter(|(own, _)| *own == "{user}").map(|(_, user)| user).next();
                let user = user.and_then(|user| decoded(user, "user").ok());
                user.is_some_and(|user| user == caller) && !body.has("role")
            }
        }
    }
}

/// Whether this is a number as JSON writes it. Others are for the operation to refuse.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || (1..=19).contains(&text.len()) && !text.starts_with('0'))
}

/// A frame that is being written.
struct Frame(String);

impl Frame {
    fn of(route: &Route) -> Frame {
        let mut frame = Frame(format!("{{\"op\":\"{}\"", route.op));
        if !route.fixed.is_empty() {
            frame.0.push(',');
            frame.0.push_str(route.fixed);
        }
        frame
    }

    /// Appends a member. `value` is JSON.
    fn member(&mut self, name: &str, value: &str) {
        self.0.push(',');
        json::append(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(value);
    }

    /// Appends the members of a body. The path must not be contradicted.
    fn members(&mut self, route: &Route, body: &Fields<'_>) -> Result<(), Problem> {
        const OF_THE_FRAME: &[&str] = &["op", "ref", "as"];
        let fixed = route.fixed.split('"').nth(1);
        let taken = OF_THE_FRAME.iter().copied().chain(route.names()).chain(fixed);
        for name in taken {
            if body.has(name) {
                return Err(Problem::invalid(name, "not a member of this body"));
            }
        }
        for (name, value) in body.iter() {
            self.member(name, value);
        }
        Ok(())
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests;
