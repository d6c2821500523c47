//! The character tables of TS 23.038 as data: the default alphabet (6.2.1), the national single shift tables (annex A.2) and
//! locking shift tables (A.3). [`super::national`] makes them fast to look up.
//!
//! A locking table replaces the whole default alphabet: 128 characters in code order, where the escape position holds a
//! space. A single shift table is given as runs: the first code and the characters from there on. Combining marks and
//! right-to-left letters are written as escapes, so that every editor shows the codes in their order.

/// The tables of one national language identifier.
pub(super) struct National {
    /// Locking shift table; `None` where the language has none of its own and the default alphabet stays.
    pub(super) locking: Option<&'static str>,
    /// Single shift table in runs of consecutive codes.
    pub(super) single: &'static [(u8, &'static str)],
}

/// By national language identifier, where 0 is the default alphabet; TS 23.038 6.2.1.2.4.
#[rustfmt::skip]
pub(super) const LANGUAGES: [National; 14] = [
    // 0: the default alphabet and its extension table; the escape shows as a space when it stands alone
    National {
        locking: Some("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRST\
            UVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"),
        single: &[
            (0x0a, "\u{c}"),
            (0x14, "^"),
            (0x28, "{}"),
            (0x2f, "\\"),
            (0x3c, "[~]"),
            (0x40, "|"),
            (0x65, "€"),
        ],
    },
    // 1: Turkish
    National {
        locking: Some("@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ŞşßÉ !\"#¤%&'()*+,-./0123456789:;<=>?İABCDEFGHIJKLMNOPQRST\
            UVWXYZÄÖÑÜ§çabcdefghijklmnopqrstuvwxyzäöñüà"),
        single: &[
            (0x0a, "\u{c}"),
            (0x14, "^"),
            (0x28, "{}"),
            (0x2f, "\\"),
            (0x3c, "[~]"),
            (0x40, "|"),
            (0x47, "Ğ"),
            (0x49, "İ"),
            (0x53, "Ş"),
            (0x63, "ç"),
            (0x65, "€"),
            (0x67, "ğ"),
            (0x69, "ı"),
            (0x73, "ş"),
        ],
    },
    // 2: Spanish
    National {
        locking: None,
        single: &[
            (0x09, "ç\u{c}"),
            (0x14, "^"),
            (0x28, "{}"),
            (0x2f, "\\"),
            (0x3c, "[~]"),
            (0x40, "|Á"),
            (0x49, "Í"),
            (0x4f, "Ó"),
            (0x55, "Ú"),
            (0x61, "á"),
            (0x65, "€"),
            (0x69, "í"),
            (0x6f, "ó"),
            (0x75, "ú"),
        ],
    },
    // 3: Portuguese
    National {
        locking: Some("@£$¥êéúíóç\nÔô\rÁáΔ_ªÇÀ∞^\\€Ó| ÂâÊÉ !\"#º%&'()*+,-./0123456789:;<=>?ÍABCDEFGHIJKLMNOPQRS\
            TUVWXYZÃÕÚÜ§~abcdefghijklmnopqrstuvwxyzãõ`üà"),
        single: &[
            (0x05, "ê"),
            (0x09, "ç\u{c}Ôô"),
            (0x0e, "Áá"),
            (0x12, "ΦΓ^ΩΠΨΣΘ"),
            (0x1f, "Ê"),
            (0x28, "{}"),
            (0x2f, "\\"),
            (0x3c, "[~]"),
            (0x40, "|À"),
            (0x49, "Í"),
            (0x4f, "Ó"),
            (0x55, "Ú"),
            (0x5b, "ÃÕ"),
            (0x61, "Â"),
            (0x65, "€"),
            (0x69, "í"),
            (0x6f, "ó"),
            (0x75, "ú"),
            (0x7b, "ãõ"),
            (0x7f, "â"),
        ],
    },
    // 4: Bengali
    National {
        locking: Some("\u{981}\u{982}\u{983}অআইঈউঊঋ\nঌ \r এঐ  ওঔকখগঘঙচ ছজঝঞ !টঠডঢণত)(থদ,ধ.ন0123456789:; পফ?বভময\
            র ল   শষসহ\u{9bc}ঽ\u{9be}\u{9bf}\u{9c0}\u{9c1}\u{9c2}\u{9c3}\u{9c4}  \u{9c7}\u{9c8}  \
            \u{9cb}\u{9cc}\u{9cd}ৎabcdefghijklmnopqrstuvwxyz\u{9d7}ড়ঢ়ৰৱ"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*০১"),
            (0x1c, "২৩৪৫৬৭৮৯য়ৠৡ\u{9e2}{}\u{9e3}৲৳৴৵\\৶৷৸৹৺"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 5: Gujarati
    National {
        locking: Some("\u{a81}\u{a82}\u{a83}અઆઇઈઉઊઋ\nઌઍ\r એઐઑ ઓઔકખગઘઙચ છજઝઞ !ટઠડઢણત)(થદ,ધ.ન0123456789:; પફ?બભમય\
            ર લળ વશષસહ\u{abc}ઽ\u{abe}\u{abf}\u{ac0}\u{ac1}\u{ac2}\u{ac3}\u{ac4}\u{ac5} \u{ac7}\
            \u{ac8}\u{ac9} \u{acb}\u{acc}\u{acd}ૐabcdefghijklmnopqrstuvwxyzૠૡ\u{ae2}\u{ae3}૱"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*।॥"),
            (0x1c, "૦૧૨૩૪૫૬૭૮૯"),
            (0x28, "{}"),
            (0x2f, "\\"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 6: Hindi
    National {
        locking: Some("\u{981}\u{982}\u{983}अआइईउऊऋ\nऌऍ\rऎएऐऑऒओऔकखगघङच छजझञ !टठडढणत)(थद,ध.न0123456789:;ऩपफ?बभमय\
            रऱलळऴवशषसह\u{93c}ऽ\u{93e}\u{93f}\u{940}\u{941}\u{942}\u{943}\u{944}\u{945}\u{946}\u{947}\
            \u{948}\u{949}\u{94a}\u{94b}\u{94c}\u{94d}ॐabcdefghijklmnopqrstuvwxyzॲॻॼॾॿ"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*।॥"),
            (0x1c, "०१२३४५६७८९\u{951}\u{952}{}\u{953}\u{954}क़ख़ग़\\ज़ड़ढ़फ़य़ॠॡ\u{962}\u{963}॰ॱ"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 7: Kannada
    National {
        locking: Some(" \u{c82}\u{c83}ಅಆಇಈಉಊಋ\nಌ \rಎಏಐ ಒಓಔಕಖಗಘಙಚ ಛಜಝಞ !ಟಠಡಢಣತ)(ಥದ,ಧ.ನ0123456789:; ಪಫ?ಬಭಮಯರಱಲಳ ವ\
            ಶಷಸಹ\u{cbc}ಽ\u{cbe}\u{cbf}\u{cc0}\u{cc1}\u{cc2}\u{cc3}\u{cc4} \u{cc6}\u{cc7}\u{cc8} \
            \u{cca}\u{ccb}\u{ccc}\u{ccd}\u{cd5}abcdefghijklmnopqrstuvwxyz\u{cd6}ೠೡ\u{ce2}\u{ce3}"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*।॥"),
            (0x1c, "೦೧೨೩೪೫೬೭೮೯ೞೱ{}ೲ"),
            (0x2f, "\\"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 8: Malayalam
    National {
        locking: Some(" \u{d02}\u{d03}അആഇഈഉഊഋ\nഌ \rഎഏഐ ഒഓഔകഖഗഘങച ഛജഝഞ !ടഠഡഢണത)(ഥദ,ധ.ന0123456789:; പഫ?ബഭമയരറലളഴവ\
            ശഷസഹ ഽ\u{d3e}\u{d3f}\u{d40}\u{d41}\u{d42}\u{d43}\u{d44} \u{d46}\u{d47}\u{d48} \u{d4a}\
            \u{d4b}\u{d4c}\u{d4d}\u{d57}abcdefghijklmnopqrstuvwxyzൠൡ\u{d62}\u{d63}൹"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*।॥"),
            (0x1c, "൦൧൨൩൪൫൬൭൮൯൰൱{}൲൳൴൵ൺ\\ൻർൽൾൿ"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 9: Oriya
    National {
        locking: Some("\u{b01}\u{b02}\u{b03}ଅଆଇଈଉଊଋ\nଌ \r ଏଐ  ଓଔକଖଗଘଙଚ ଛଜଝଞ !ଟଠଡଢଣତ)(ଥଦ,ଧ.ନ0123456789:; ପଫ?ବଭମଯ\
            ର ଲଳ ଵଶଷସହ\u{b3c}ଽ\u{b3e}\u{b3f}\u{b40}\u{b41}\u{b42}\u{b43}\u{b44}  \u{b47}\u{b48}  \
            \u{b4b}\u{b4c}\u{b4d}\u{b56}abcdefghijklmnopqrstuvwxyz\u{b57}ୠୡ\u{b62}\u{b63}"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*।॥"),
            (0x1c, "୦୧୨୩୪୫୬୭୮୯ଡ଼ଢ଼{}ୟ୰ୱ"),
            (0x2f, "\\"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 10: Punjabi
    National {
        locking: Some("\u{a01}\u{a02}\u{a03}ਅਆਇਈਉਊ \n  \r ਏਐ  ਓਔਕਖਗਘਙਚ ਛਜਝਞ !ਟਠਡਢਣਤ)(ਥਦ,ਧ.ਨ0123456789:; ਪਫ?ਬਭਮਯ\
            ਰ ਲਲ਼ ਵਸ਼ ਸਹ\u{a3c} \u{a3e}\u{a3f}\u{a40}\u{a41}\u{a42}    \u{a47}\u{a48}  \u{a4b}\u{a4c}\
            \u{a4d}\u{a51}abcdefghijklmnopqrstuvwxyz\u{a70}\u{a71}ੲੳੴ"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*।॥"),
            (0x1c, "੦੧੨੩੪੫੬੭੮੯ਖ਼ਗ਼{}ਜ਼ੜਫ਼\u{a75}"),
            (0x2f, "\\"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 11: Tamil
    National {
        locking: Some(" \u{b82}ஃஅஆஇஈஉஊ \n  \rஎஏஐ ஒஓஔக   ஙச  ஜ ஞ !ட   ணத)(  , .ந0123456789:;னப ?  மயரறலளழவஶஷஸஹ  \
            \u{bbe}\u{bbf}\u{bc0}\u{bc1}\u{bc2}   \u{bc6}\u{bc7}\u{bc8} \u{bca}\u{bcb}\u{bcc}\u{bcd}\
            ௐabcdefghijklmnopqrstuvwxyz\u{bd7}௰௱௲௹"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*।॥"),
            (0x1c, "௦௧௨௩௪௫௬௭௮௯௳௴{}௵௶௷௸௺\\"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 12: Telugu
    National {
        locking: Some("\u{c01}\u{c02}\u{c03}అఆఇఈఉఊఋ\nఌ \rఎఏఐ ఒఓఔకఖగఘఙచ ఛజఝఞ !టఠడఢణత)(థద,ధ.న0123456789:; పఫ?బభమయ\
            రఱలళ వశషసహ ఽ\u{c3e}\u{c3f}\u{c40}\u{c41}\u{c42}\u{c43}\u{c44} \u{c46}\u{c47}\u{c48} \
            \u{c4a}\u{c4b}\u{c4c}\u{c4d}\u{c55}abcdefghijklmnopqrstuvwxyz\u{c56}ౠౡ\u{c62}\u{c63}"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*"),
            (0x1c, "౦౧౨౩౪౫౬౭౮౯ౘౙ{}౸౹౺౻౼\\౽౾౿"),
            (0x3c, "[~]"),
            (0x40, "|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
    // 13: Urdu
    National {
        locking: Some("\u{627}\u{622}\u{628}\u{67b}\u{680}\u{67e}\u{6a6}\u{62a}\u{6c2}\u{67f}\n\u{679}\u{67d}\r\
            \u{67a}\u{67c}\u{62b}\u{62c}\u{681}\u{684}\u{683}\u{685}\u{686}\u{687}\u{62d}\u{62e}\
            \u{62f} \u{68c}\u{688}\u{689}\u{68a} !\u{68f}\u{68d}\u{630}\u{631}\u{691}\u{693})(\
            \u{699}\u{632},\u{696}.\u{698}0123456789:;\u{69a}\u{633}\u{634}?\u{635}\u{636}\u{637}\
            \u{638}\u{639}\u{641}\u{642}\u{6a9}\u{6aa}\u{6ab}\u{6af}\u{6b3}\u{6b1}\u{644}\u{645}\
            \u{646}\u{6ba}\u{6bb}\u{6bc}\u{648}\u{6c4}\u{6d5}\u{6c1}\u{6be}\u{621}\u{6cc}\u{6d0}\
            \u{6d2}\u{64d}\u{650}\u{64f}\u{657}\u{654}abcdefghijklmnopqrstuvwxyz\u{655}\u{651}\
            \u{653}\u{656}\u{670}"),
        single: &[
            (0x00, "@£$¥¿\"¤%&'\u{c}*+"),
            (0x0e, "-/<=>¡^¡_#*\u{600}\u{601}"),
            (0x1c, "۰۱۲۳۴۵۶۷۸۹،\u{60d}{}؎؏\u{610}\u{611}\u{612}\\\u{613}\u{614}\u{61b}\u{61f}\u{640}\u{652}\
                \u{658}\u{66b}\u{66c}\u{672}\u{673}\u{6cd}[~]\u{6d4}|ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (0x65, "€"),
        ],
    },
];
