//! Columns that hold one of a few words.

/// A column that holds one of a few words.
pub trait Word: Copy + Sized + 'static {
    /// Every word there is.
    const WORDS: &'static [(Self, &'static str)];
    /// The words, for a message.
    const EXPECTED: &'static str;
}

/// An enum whose variants are the words of a column.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $first:literal $first_variant:ident $first_doc:literal
        $(, $word:literal $variant:ident $variant_doc:literal)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { #[doc = $first_doc] $first_variant $(, #[doc = $variant_doc] $variant)* }

        impl $name {
            /// The word in the result files.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { Self::$first_variant => $first $(, Self::$variant => $word)* }
            }
        }

        impl $crate::Word for $name {
            const WORDS: &'static [(Self, &'static str)] =
                &[(Self::$first_variant, $first) $(, (Self::$variant, $word))*];
            const EXPECTED: &'static str = concat!("one of `", $first, "`" $(, ", `", $word, "`")*);
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }
    };
}
