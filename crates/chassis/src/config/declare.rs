//! The macro that declares the settings of the chassis.
//!
//! From one declaration come the field of a struct, its parser, the comment and the default
//! in `config default`, the flag, and the row of docs/configuration.md.

/// One setting.
#[derive(Debug)]
pub(super) struct Declaration {
    /// The whole key, such as `server.max_workers`.
    pub(super) key: &'static str,
    /// The key within the section, such as `max_workers`.
    pub(super) name: &'static str,
    /// The default, as TOML.
    pub(super) default: &'static str,
    /// The lines of the doc comment.
    pub(super) doc: &'static [&'static str],
    pub(super) flag: Option<FlagDeclaration>,
}

/// One section, such as `[server]`.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The lines of the doc comment.
    pub(super) doc: &'static [&'static str],
    pub(super) settings: &'static [Declaration],
}

/// A flag of the command line that sets one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlagDeclaration {
    /// The flag, such as `--max-workers`.
    pub name: &'static str,
    /// The setting that it sets, such as `server.max_workers`.
    pub key: &'static str,
    /// The placeholder of its value in `--help`, such as `N`.
    pub value_name: &'static str,
    /// The text in `--help`, without the key.
    pub help: &'static str,
}

/// Declares all sections:
///
/// ```text
/// /// Comment of the section.
/// [section] pub Struct, check function {
///     /// Comment of the setting.
///     key: Type = default, flag "--flag" "VALUE" "Text in --help";
/// }
/// ```
///
/// The check, which compares settings with each other, and the flag are optional. `Struct as
/// Other` gives the field in `Settings` another type, with `Other: From<Struct>`.
macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])*
        [$section:ident] $vis:vis $name:ident $(as $whole:ty)? $(, check $check:ident)? {
            $(
                $(#[doc = $doc:literal])*
                $key:ident: $type:ty = $default:expr
                    $(, flag $flag:literal $value_name:literal $help:literal)?;
            )*
        }
    )*) => {
        $(
            $(#[doc = $section_doc])*
            #[derive(Debug, Clone, PartialEq)]
            $vis struct $name {
                $($(#[doc = $doc])* pub $key: $type,)*
            }

            impl $name {
                // Every value is read before the first `?`, so that one error does not hide
                // the next.
                fn read(values: &mut Reader<'_>) -> Option<Self> {
                    $(let $key = values.get(concat!(stringify!($section), ".", stringify!($key)));)*
                    $($check(values);)?
                    Some(Self { $($key: $key?),* })
                }
            }
        )*

        /// The settings of the chassis.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $($(#[doc = $section_doc])* pub $section: settings!(@whole $name $($whole)?),)*
        }

        impl Settings {
            /// Returns the settings, or `None` if one of them has an error.
            pub(super) fn read(values: &mut Reader<'_>) -> Option<Self> {
                $(let $section = $name::read(values);)*
                Some(Self { $($section: $section?.into()),* })
            }
        }

        pub(super) const SECTIONS: &[Section] = &[$(Section {
            name: stringify!($section),
            doc: &[$($section_doc),*],
            settings: &[$(Declaration {
                key: concat!(stringify!($section), ".", stringify!($key)),
                name: stringify!($key),
                default: stringify!($default),
                doc: &[$($doc),*],
                flag: settings!(@flag $section $key $($flag $value_name $help)?),
            }),*],
        }),*];
    };

    (@whole $name:ident) => { $name };
    (@whole $name:ident $whole:ty) => { $whole };

    (@flag $section:ident $key:ident) => { None };
    (@flag $section:ident $key:ident $flag:literal $value_name:literal $help:literal) => {
        Some(FlagDeclaration {
            name: $flag,
            key: concat!(stringify!($section), ".", stringify!($key)),
            value_name: $value_name,
            help: $help,
        })
    };
}

pub(super) use settings;
