"""The words that tell Darija from its neighbours, in both scripts: no trained detector knows them."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DARIJA_WORDS = _words(
    """
    شنو شنوا شنا شناهو شناهي شنوهو اشنو اش واش بغيت بغيتي بغينا بغيتو بغا بغات كنبغي نبغي تبغي مابغيتش كيفاش
    ديال ديالي ديالك ديالكم ديالو ديالها ديالنا ديالهم دابا بزاف فين فينا فينكم منين شحال بشحال علاش علاه كاين
    كاينه كاينين ماكاينش مكاينش ماكاين ماشي حيت هاد هادا هادي هادو هادشي داك ديك دوك داكشي لي اللي بحال غادي
    غاندير غادين خاصني خاصنا خاصك خاصكم خصني خصنا راه راها راني راكم راهم هضر نهضر هدر سير جيب جيبو عطيني عطيوني
    صيفط صيفطو صيفطت نصيفط صافي مزيان مزيانه واخا لاباس لباس بلاصه فلوس لفلوس فلوسي كوموند كوموندا لاكوموند
    ليفريزون طوموبيل تليفون شكون فوقاش وقتاش امتا ايمتا نخلص خلصت تخلص نتسنى كنتسنى تسنيت عافاك عفاك عافاكم
    كتوصلو كتبيعو كتديرو كتقبلو كتخدمو كتحلو كتسدو كيوصل كياخد كيبقي كتاخد كيكون كتكون كندير كيدير كتدير ندير
    ديرو دير نشري شريت كنشري نبدل نبدلو تبدلو وصلاتني وصلات ماوصلاتش ماوصلتش ماوصلنيش مزال مازال باقي شي شويه
    خويا ختي لالا ولا نقدر تقدر تقدرو يمكنلي كانت ملي فاش باش عندو عندكوم ديما هنا تما حداكم تاني زوين زوينه
    خايب مهرس مهرسه خاسر حانوت الحانوت سميتي كيفاه قداش نعاود عاود دغيا هاك گاع ݣاع قبيله البارح غدا ليوم اليوما
    سلام
    """
)
"""Words of Darija in Arabic script, folded (see `fold_arabic`), that standard Arabic does not use in that sense."""

STANDARD_ARABIC_WORDS = _words(
    """
    ما ماذا هل اين متي كيف لماذا كم اريد ارغب اود احتاج يمكنني يمكن استطيع هذا هذه ذلك تلك التي الذي الذين ليس
    ليست لدي لديكم لديك سوف لقد قد لن لم ان انا نحن عن اي ايه نعم فضلك فضلكم السلام عليكم شكرا لكم يرجي الرجاء
    تقبلون تبيعون توصلون خلال عند بعد قبل كيفيه اتواصل تواصل طلبيتي طلبي اذا لكن ايضا جدا حول كما ينبغي يجب عبر
    الي مرحبا صباح مساء الخير اهلا
    """
)
"""Words of standard Arabic, folded, that Darija mostly says otherwise."""

ARABIZI_WORDS = _words(
    """
    bghit bghiti bghina bghito bgha bghat kanbghi nbghi tbghi wach wax chno chnou chnu chnuwa shno shnou chniya
    chnahiya chnahowa achno achnou ach kifach kifash kifax kifaxe dyal dyali dyalek dyalk dyalkom dyalo dyalha
    dyalna diali dialek dialkom dialo dialna daba bzaf bezaf bezzaf bzzaf fin finahiya finkom mnin 3lach 3lash
    3lah chhal ch7al sh7al chehal bchhal bch7al b7al bhal chkon chkoun imta imtta emta fo9ach foqach wa9tach
    waqtach kayn kayen kayna kaynin makaynch makayn machi hit 7it 3afak afak 3afakom 3la 3nd 3ndi 3ndkom 3endkom
    3andi 3andkom andi andkom andkoum endkom 3andek salam slm salamo salamou labas lbas hamdullah hamdoulah
    hamdolah inchallah nchallah chokran choukran shokran chukran choukrane bslama beslama safi wakha waxa mezyan
    mzyan mezian mzian zwin zwina khouya khoya khti lalla jib jibo jibou 3tini atini sift sifet sifto siftou
    siyfet goli goliya gouliya hadi hada hadak hadik hado had hadchi hadshi dak dik dakchi lli likom lina liya
    khasni khassni khas khass khasna khassna ghadi ghadya ghandir gha rah raha rahi rani rakom mouchkil mochkil
    mouchkila mochkila lflous flous floss flousi taman ttaman tman lkhlas khlas nkhles nkhless nkhelles nkhalles
    nkhlles khlest khelast tawsil twsil ttawsil lcommande lkomande lkomand lakomand kommand komand nrje3 nraje3
    rje3 rja3 traj3o nbddel nbedel nbeddel nbdel tbdel tbadlo kantsna kantsenna ntsna tsenit wslat wslatni
    waslat weslat mawslatch mawsaltch mawslatnich tkhdem khdam khdama khdamin mherres mherresa mharsa khasra
    khaser 3ayn dir ndir ndiro diro kandir katdir kaydir kadiro katdiro nchri nechri chrit chrina tchri sahbi
    lyoum lyouma lyom ghedda ghda ghadda lbareh lbar7 ldar dar lmdina mdina hanout 7anout m3a ila ana nta nti
    ntouma ntoma ntuma bla chi chwiya chouia bach bax fach mli meli mazal mazala ba9i ba9a dima hna hnaya temma
    ta7ad walo walou wala wla katqblo kat9blo katwslo katwsslo katwesslo katbi3o katbi3ou katkhdmo nqder n9der
    ne9der nakder nqdar n9dar te9dro tqdro t9dro kayhder nhder hder lmouchkil lmochkil l7anout lhanout lwe9t
    lwa9t swiya smiti smiytkom golou gallia galo s7i7 bsa7 bssah mn men f bikhir mrhba mer7ba merhba sba7 sbah
    lkhir masa2 akhouya a5ouya
    """
)
"""Words of Darija in Latin script, without accents."""

AMBIGUOUS_ARABIZI_WORDS = _words(
    """
    fin had men mn f ach ana dar dir dik chi hit afak andi safi hada bla ila gha hna lina wala salam sift khas
    mdina rah dak ghda
    """
)
"""Of `ARABIZI_WORDS`, those that other languages write too, or borrow: half a hint each."""

FRENCH_WORDS = _words(
    """
    le la les l un une des du de d je j tu il elle on nous vous ils elles est sont suis ai avez avons etes au
    aux et ou que qu qui quoi quel quelle quels quelles quand comment pourquoi combien pour par sur dans avec
    sans ce cette ces c mon ma mes ton votre vos notre nos mais pas ne n plus peut puis peux svp si s y en a
    bonjour bonsoir merci salut coucou oui non commande livraison remboursement
    """
)

ENGLISH_WORDS = _words(
    """
    the an is are do does did can could i you my your we our what where when how why which who of for to in on
    with and not it have has please if would will from this that there be am was hello hi thanks thank hey yes
    no order refund delivery
    """
)
"""The small words that hold French or English sentences together, without accents, and lone greetings."""
