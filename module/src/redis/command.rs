//! Registers a command: its entry point, arity, keys, ACL categories and documentation.
//!
//! Redis keeps pointers to some of the texts for as long as the module lives, so all strings are
//! made once and leaked.

use std::ffi::{CString, c_char, c_int};
use std::mem::{size_of, zeroed};
use std::ptr;

use redis_module::raw::{
    self, RedisModuleCommandArg, RedisModuleCommandHistoryEntry, RedisModuleCommandInfo,
    RedisModuleCommandInfoVersion, RedisModuleCommandKeySpec, RedisModuleCtx, RedisModuleString,
};

use super::api::api;
use super::call::Call;
use super::guard::guarded;
use super::log::log_warning;

/// The signature of a command's function as Redis calls it.
pub(crate) type EntryPoint =
    extern "C" fn(*mut RedisModuleCtx, *mut *mut RedisModuleString, c_int) -> c_int;

/// Runs a command for Redis. A panic in `run` is logged, and then `on_panic` replies.
pub(crate) fn enter(
    ctx: *mut RedisModuleCtx,
    argv: *mut *mut RedisModuleString,
    argc: c_int,
    run: impl FnOnce(&Call<'_>),
    on_panic: impl FnOnce(&Call<'_>),
) -> c_int {
    // SAFETY: Redis passes `argc` strings that outlive the call.
    let call = unsafe { Call::with_arguments(ctx, argv, argc) };
    if guarded("a command", || run(&call)).is_none() {
        on_panic(&call);
    }
    0
}

/// Everything that Redis knows about a command.
pub(crate) struct CommandSpec {
    /// In lower case, as `chat.send`.
    pub(crate) name: &'static str,
    pub(crate) entry: EntryPoint,
    /// Command flags of Redis.
    pub(crate) flags: &'static str,
    /// The number of words, the name included; negative: at least that many.
    pub(crate) arity: i32,
    pub(crate) keys: Keys,
    pub(crate) summary: &'static str,
    pub(crate) complexity: &'static str,
    pub(crate) arguments: &'static [Arg],
}

/// Which words are keys, and what the command does with them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    None,
    /// Word 1 is read.
    Read,
    /// Word 1 is read, created or changed.
    Write,
    /// Every word is read.
    ReadAll,
}

/// An argument, as `COMMAND DOCS` describes it.
pub(crate) enum Arg {
    Key(&'static str),
    Keys(&'static str),
    Text(&'static str),
    Texts(&'static str),
    Number(&'static str),
    /// `[TOKEN name]`
    OptionalText(&'static str, &'static str),
    /// `[TOKEN name]`
    OptionalNumber(&'static str, &'static str),
    /// `[name]`
    OptionalWord(&'static str),
    /// `[TOKEN]`
    Flag(&'static str, &'static str),
    /// `[a | b | c]`
    OneOf(&'static str, &'static [Arg]),
    /// `[TOKEN a b …]`
    Block(&'static str, &'static str, &'static [Arg]),
    /// `[TOKEN a b [a b …]]`
    BlockOfMany(&'static str, &'static str, &'static [Arg]),
}

static VERSION: RedisModuleCommandInfoVersion = RedisModuleCommandInfoVersion {
    // REDISMODULE_COMMAND_INFO_VERSION
    version: 1,
    sizeof_historyentry: size_of::<RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<RedisModuleCommandArg>(),
};

/// Registers a command, which the module has had since version `since`, in the ACL category `own`
/// and in those that follow from its flags. False: Redis refused, and the log names the command.
pub(crate) fn register_command(
    call: &Call<'_>,
    spec: &CommandSpec,
    since: &str,
    own: Option<OwnCategory>,
) -> bool {
    let (first, last) = match spec.keys {
        Keys::None => (0, 0),
        Keys::Read | Keys::Write => (1, 1),
        Keys::ReadAll => (1, -1),
    };
    let name = keep(spec.name);
    // SAFETY: the two signatures differ only in that Redis's is unsafe to call.
    let entry = Some(unsafe {
        std::mem::transmute::<
            EntryPoint,
            unsafe extern "C" fn(*mut RedisModuleCtx, *mut *mut RedisModuleString, c_int) -> c_int,
        >(spec.entry)
    });
    let flags = keep(spec.flags);
    let step = c_int::from(spec.keys != Keys::None);
    let created =
        api!(RedisModule_CreateCommand(call.ctx(), name, entry, flags, first, last, step)) == 0;
    let command = api!(RedisModule_GetCommand(call.ctx(), name));
    let described = created && !command.is_null() && describe(command, spec, since);
    if !described {
        log_warning(&format!("Redis refused the command {}", spec.name));
        return false;
    }
    if !set_categories(command, spec.flags, own) {
        log_warning(&format!("Redis refused the ACL categories of the command {}", spec.name));
        return false;
    }
    true
}

/// Gives a command the ACL categories that Redis gives its own commands with such flags, and the
/// module's own one. Redis derives none for the commands of a module, so without this `-@write`
/// would not cover them. Redis 7.0 has no such call: there the commands are in no category. False:
/// Redis refused.
fn set_categories(
    command: *mut raw::RedisModuleCommand,
    flags: &str,
    own: Option<OwnCategory>,
) -> bool {
    // SAFETY: reading the pointer; it is null on Redis 7.0, the floor.
    let Some(set) = (unsafe { raw::RedisModule_SetCommandACLCategories }) else { return true };
    let has = |wanted: &str| flags.split(' ').any(|flag| flag == wanted);
    let mut categories = vec![if has("fast") { "fast" } else { "slow" }];
    categories.extend(has("write").then_some("write"));
    // A user who may read is not to read what is for operators.
    categories.extend((has("readonly") && !has("admin")).then_some("read"));
    categories.extend(has("admin").then_some("admin dangerous"));
    categories.extend(own.map(|category| category.0));
    let categories = CString::new(categories.join(" ")).unwrap_or_default();
    // SAFETY: a command just created and a C string.
    unsafe { set(command, categories.as_ptr()) == 0 }
}

/// An ACL category of the module, which the server has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnCategory(&'static str);

/// Adds an ACL category. `None`: the server cannot (before Redis 7.4; every Valkey can).
pub(crate) fn add_category(call: &Call<'_>, name: &'static str) -> Option<OwnCategory> {
    // SAFETY: reading the pointer; it is null on Redis 7.0 and 7.2.
    let add = unsafe { raw::RedisModule_AddACLCategory }?;
    let c_name = CString::new(name).ok()?;
    // SAFETY: the context of the load and a C string.
    (unsafe { add(call.ctx(), c_name.as_ptr()) } == 0).then_some(OwnCategory(name))
}

fn describe(command: *mut raw::RedisModuleCommand, spec: &CommandSpec, since: &str) -> bool {
    let mut arguments = arguments(spec.arguments);
    let mut keys = key_specs(spec.keys);
    // SAFETY: all fields of this C struct may be zero: absent.
    let mut info: RedisModuleCommandInfo = unsafe { zeroed() };
    info.version = &VERSION;
    info.summary = keep(spec.summary);
    info.complexity = keep(spec.complexity);
    info.since = keep(since);
    info.tips = tips(spec.keys).map_or(ptr::null(), keep);
    info.arity = spec.arity;
    info.key_specs = keys.as_mut_ptr();
    info.args = arguments.as_mut_ptr();
    api!(RedisModule_SetCommandInfo(command, &info)) == 0
}

/// What a client or a proxy of a cluster has to know to split a call: the keys of one command may be
/// in several nodes, and their replies are joined in the order of the keys; a command without keys
/// answers for its node, page by page, as SCAN does.
fn tips(keys: Keys) -> Option<&'static str> {
    match keys {
        Keys::None => {
            Some("nondeterministic_output request_policy:special response_policy:special")
        }
        Keys::ReadAll => Some("request_policy:multi_shard"),
        Keys::Read | Keys::Write => None,
    }
}

fn key_specs(keys: Keys) -> Vec<RedisModuleCommandKeySpec> {
    // SAFETY: a zeroed key spec ends the list, and all fields may be zero.
    let end: RedisModuleCommandKeySpec = unsafe { zeroed() };
    let (flags, last) = match keys {
        Keys::None => return vec![end],
        Keys::Read => (raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS, 0),
        Keys::ReadAll => (raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS, -1),
        Keys::Write => (
            raw::REDISMODULE_CMD_KEY_RW
                | raw::REDISMODULE_CMD_KEY_ACCESS
                | raw::REDISMODULE_CMD_KEY_UPDATE,
            0,
        ),
    };
    let mut spec = end;
    spec.flags = u64::from(flags);
    spec.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    spec.bs.index.pos = 1;
    spec.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    spec.fk.range.lastkey = last;
    spec.fk.range.keystep = 1;
    spec.fk.range.limit = 0;
    vec![spec, end]
}

/// A list of arguments that ends with a zeroed one.
fn arguments(list: &[Arg]) -> Vec<RedisModuleCommandArg> {
    // SAFETY: a zeroed argument ends the list.
    list.iter().map(argument).chain([unsafe { zeroed() }]).collect()
}

fn argument(arg: &Arg) -> RedisModuleCommandArg {
    use raw::{
        REDISMODULE_CMD_ARG_MULTIPLE as MULTIPLE, REDISMODULE_CMD_ARG_OPTIONAL as OPTIONAL,
        RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK as BLOCK,
        RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER as INTEGER,
        RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY as KEY,
        RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF as ONE_OF,
        RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN as TOKEN,
        RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING as STRING,
    };
    let (name, kind, token, flags, parts): (_, _, _, _, &[Arg]) = match arg {
        Arg::Key(name) => (name, KEY, None, 0, &[]),
        Arg::Keys(name) => (name, KEY, None, MULTIPLE, &[]),
        Arg::Text(name) => (name, STRING, None, 0, &[]),
        Arg::Texts(name) => (name, STRING, None, MULTIPLE, &[]),
        Arg::Number(name) => (name, INTEGER, None, 0, &[]),
        Arg::OptionalText(token, name) => (name, STRING, Some(token), OPTIONAL, &[]),
        Arg::OptionalNumber(token, name) => (name, INTEGER, Some(token), OPTIONAL, &[]),
        Arg::OptionalWord(name) => (name, STRING, None, OPTIONAL, &[]),
        Arg::Flag(token, name) => (name, TOKEN, Some(token), OPTIONAL, &[]),
        Arg::OneOf(name, parts) => (name, ONE_OF, None, OPTIONAL, parts),
        Arg::Block(token, name, parts) => (name, BLOCK, Some(token), OPTIONAL, parts),
        Arg::BlockOfMany(token, name, parts) => {
            (name, BLOCK, Some(token), OPTIONAL | MULTIPLE, parts)
        }
    };
    // SAFETY: all fields of this C struct may be zero: absent.
    let mut out: RedisModuleCommandArg = unsafe { zeroed() };
    out.name = keep(name);
    out.type_ = kind;
    out.token = token.map_or(ptr::null(), |token| keep(token));
    out.flags = flags as c_int;
    out.key_spec_index = if kind == KEY { 0 } else { -1 };
    if !parts.is_empty() {
        // Redis copies the list, but not before this function has returned.
        out.subargs = Box::leak(arguments(parts).into_boxed_slice()).as_mut_ptr();
    }
    out
}

/// A C string that is never freed.
fn keep(text: &str) -> *const c_char {
    CString::new(text).unwrap_or_default().into_raw()
}
